"""Library: every option file of every root, each parsed once, under its group and option.

Hydra's source, the choices and the matrix all read from here, so none can see a file that the others do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

import attrs

from mlperf_registry.compose.bases import Bases
from mlperf_registry.compose.document import Document, generated, load_yaml
from mlperf_registry.compose.fields import nulls, option_fields, workload_fields
from mlperf_registry.compose.option_file import check_option_file
from mlperf_registry.compose.override import Override
from mlperf_registry.compose.parsed_cache import ParsedCache
from mlperf_registry.compose.tuned import Tuned
from mlperf_registry.compose.tuned_file import Vocabulary
from mlperf_registry.compose.users_system import check_users_system, gpu_of, replaces_shipped
from mlperf_registry.plugins import conf_roots
from mlperf_registry.roots import conf_root, system_roots
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

CONFIG = "config"
"""Name of the primary config."""
FIELDS = "fields"
"""Name of the generated layer with every field of the schema null."""
BENCHMARK_FIELDS, BACKEND_FIELDS = "benchmark_fields", "backend_fields"
GENERATED_GROUPS = (BENCHMARK_FIELDS, BACKEND_FIELDS)
"""Groups of the generated layers with the options of a benchmark or of a backend null; nobody chooses from them."""
TUNED = "tuned"
"""Group whose options are published variants, merged from files by ``Tuned``."""
TUNED_ROUND = "tuned_round"
"""Group with an option for every round that has tuned values, generated where it has no file."""
SYSTEM = "system"
EXPERIMENT = "experiment"
"""Group of the user's own overlays; it need not have any."""

_VARIANT_GROUPS = ("accuracy_target", "harness", "power_setting")


@attrs.frozen
class Roots:
    """Folders with YAML."""

    conf: Path
    """The folder with config.yaml."""
    plugins: tuple[Path, ...] = ()
    """Folders of the same form that other distributions bring."""
    systems: tuple[Path, ...] = ()
    """Folders of the user's own systems, one file each."""

    @classmethod
    def find(
        cls, conf: Path | None = None, systems: Sequence[Path] = (), brought: Sequence[Path] | None = None
    ) -> Roots:
        """The roots of this installation.

        Args:
            conf: the folder with config.yaml; by default this package's.
            systems: folders with the user's systems, before those that $MLPERF_SYSTEMS_PATH and ./systems give.
            brought: conf folders of other distributions; by default those that are installed.
        """
        return cls(
            (conf or conf_root()).resolve(),
            conf_roots() if brought is None else tuple(brought),
            system_roots(os.environ, working_dir=Path.cwd(), given=tuple(systems)),
        )


class Library:
    """Documents by group and option. Nothing is read before it is asked for."""

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self._documents: dict[tuple[str, str], Document | None] = {}
        self._options: dict[str, tuple[str, ...]] = {}
        self._listed: dict[str, dict[str, Path]] = {}
        self._ours: dict[str, dict[str, Path]] = {}
        self._cache: ParsedCache | None = None

    @cached_property
    def config(self) -> Document:
        """The primary config."""
        return load_yaml(self.roots.conf / f"{CONFIG}.yaml", self._shown(self.roots.conf / f"{CONFIG}.yaml"))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Groups that a user may choose from; the generated layers follow from those choices."""
        found = {SYSTEM} if self.roots.systems else set()
        # The package ships no experiment, and a folder of none is not part of a checkout.
        found.update({EXPERIMENT} & _listed(self.config))
        for root in (self.roots.conf, *self.roots.plugins):
            found.update(
                entry.name for entry in _entries(root) if entry.is_dir() and not entry.name.startswith((".", "_"))
            )
        return tuple(sorted(found))

    def misnamed(self, system: str) -> list[Problem]:
        """Tuned files of the system whose benchmark or scenario does not exist, so that no cell ever reads them."""
        return [
            Problem(f"tuned/{cell}", found.message, self.tuned.origin(cell), hint=found.hint)
            for cell in self.tuned.cells_of(system)
            for axis, option in (("benchmark", cell.benchmark), ("scenario", cell.scenario))
            if option not in self.options(axis)
            for found in [self.unknown(axis, option)]
        ]

    @cached_property
    def tuned(self) -> Tuned:
        """The tuned values of all roots."""
        folders = [root / TUNED for root in (*self.roots.systems, self.roots.conf, *self.roots.plugins)]
        return Tuned(
            tuple(folder for folder in folders if folder.is_dir()),
            Vocabulary(tuple(self.options(group) for group in _VARIANT_GROUPS), self.options("backend")),
            shown=self._shown,
            load=self._read,
            bases=Bases(self),
        )

    def replaced(self, system: str) -> str | None:
        """The shipped file in whose place the user's file of a system stands; None for all others."""
        shipped = self._shipped(SYSTEM).get(system)
        return self._shown(shipped) if shipped is not None and system in self.own_systems else None

    @cached_property
    def own_systems(self) -> frozenset[str]:
        """Ids of the user's own systems."""
        return frozenset(option for option, path in self._files(SYSTEM).items() if path.parent in self.roots.systems)

    def options(self, group: str) -> tuple[str, ...]:
        """The options of a group, sorted; of the generated groups too.

        Raises:
            ConfigError: when two files bring the same option, and none says that it replaces the other.
        """
        if group not in self._options:
            source = {BENCHMARK_FIELDS: "benchmark", BACKEND_FIELDS: "backend"}.get(group)
            if group == TUNED:
                self._options[group] = tuple(self.tuned.options())
            elif group == TUNED_ROUND:
                self._options[group] = tuple(sorted({*self._files(group), *self.tuned.rounds}))
            else:
                self._options[group] = self.options(source) if source else tuple(sorted(self._files(group)))
        return self._options[group]

    def document(self, group: str, option: str) -> Document | None:
        """The document of an option, None where there is none. ``tuned`` is not served here.

        Raises:
            ConfigError: when its file is no YAML mapping.
        """
        key = (group, option)
        if key not in self._documents:
            self._documents[key] = self._load(group, option)
        return self._documents[key]

    def read_all(self, cache: Path | None = None) -> None:
        """Read every option of every group, and every tuned file.

        Args:
            cache: a folder that keeps what was read for the next time; without, everything is parsed.

        Raises:
            ConfigError: with every problem of every file.
        """
        if cache is not None:
            roots = (self.roots.conf, *self.roots.plugins, *self.roots.systems)
            self._cache = ParsedCache(cache, roots)
        problems: list[Problem] = []
        for read in self._readers():
            try:
                read()
            except ConfigError as error:
                problems.extend(error.problems)
        if self._cache is not None:
            self._cache.save()
            self._cache = None
        if problems:
            raise ConfigError(dict.fromkeys(problems))

    def _readers(self) -> Iterator[Callable[[], object]]:
        """Each reads one file, or lists the files of a group: what cannot be listed is not read."""
        yield lambda: self.config
        for group in self.groups:
            if group != TUNED:
                yield partial(self._files, group)
                yield from (partial(self.document, group, option) for option in self._listed.get(group, ()))
        yield lambda: self.tuned.cells
        with suppress(ConfigError):
            yield from (partial(self.tuned.file, cell) for cell in (*self.tuned.cells, *self.tuned.shared))

    def is_choice(self, override: Override) -> bool:
        """Whether the override chooses an option of a group."""
        return override.key in self.groups and not isinstance(override.value, dict)

    def is_value(self, override: Override) -> bool:
        """Whether the override sets a value of ours."""
        return not override.for_hydra and not self.is_choice(override)

    def require(self, group: str, option: str) -> Document:
        """The document of an option.

        Raises:
            ConfigError: with the nearest options, when there is none.
        """
        found = self.document(group, option)
        if found is None:
            raise ConfigError([self.unknown(group, option)])
        return found

    def unknown(self, group: str, option: str, origin: str | None = None) -> Problem:
        """The problem of an option that its group does not have."""
        if group == EXPERIMENT and not self.options(group):
            hint = f"put one at systems/{EXPERIMENT}/{option}.yaml"
            return Problem(group, "there are no experiments", origin, hint=hint)
        return Problem(
            group,
            f"there is no {group.replace('_', ' ')} {option!r}",
            origin,
            hint=nearest(option, self.options(group)),
        )

    def _load(self, group: str, option: str) -> Document | None:
        if (group, option) == ("", FIELDS):
            return generated(nulls(workload_fields()))
        if group == BENCHMARK_FIELDS:
            family = self._identity("benchmark", option, "family")
            return None if family is None else generated(nulls(option_fields(family, None)))
        if group == BACKEND_FIELDS:
            name = self._identity("backend", option, "name")
            return None if name is None else generated(nulls(option_fields(None, name)))
        path = None if group == TUNED else self._path(group, option)
        if path is None:
            return self._round(option) if group == TUNED_ROUND else None
        document = self._read(path, self._shown(path))
        if group:
            check_option_file(group, document)
        if group == SYSTEM and path.parent in self.roots.systems:
            check_users_system(option, document, self._shipped(SYSTEM), self._shipped_gpus)
        return document

    def _shipped_gpus(self) -> set[str]:
        documents = (self._read(path, self._shown(path)) for path in self._shipped(SYSTEM).values())
        return {gpu for document in documents if (gpu := gpu_of(document)) is not None}

    def _round(self, option: str) -> Document | None:
        folder = self.tuned.folder(option)
        return None if folder is None else Document(self._shown(folder), {TUNED_ROUND: option})

    def _read(self, path: Path, origin: str) -> Document:
        return load_yaml(path, origin) if self._cache is None else self._cache.load(path, origin)

    def _identity(self, section: str, option: str, key: str) -> str | None:
        document = self.document(section, option)
        if document is None:
            return None
        values = document.tree.get(section)
        found = values.get(key) if isinstance(values, dict) else None
        return found if isinstance(found, str) else ""

    def _path(self, group: str, option: str) -> Path | None:
        if group:
            return self._files(group).get(option) or self._nested(group, option)
        return next(self._existing("", option), None)

    def _nested(self, group: str, option: str) -> Path | None:
        inside = "/" in option and not {"", ".."} & set(option.split("/"))
        return next(self._existing(group, option), None) if inside else None

    def _existing(self, group: str, option: str) -> Iterator[Path]:
        for root in (self.roots.conf, *self.roots.plugins):
            path = root / group / f"{option}.yaml"
            if path.is_file():
                yield path

    def _files(self, group: str) -> dict[str, Path]:
        """The files of a group's options. A folder is listed once: a registry shows what was there when it looked."""
        if group not in self._listed:
            self._listed[group] = self._list(group)
        return self._listed[group]

    def _list(self, group: str) -> dict[str, Path]:
        found = dict(self._shipped(group))
        if group not in (SYSTEM, EXPERIMENT):
            return found
        mine: dict[str, Path] = {}
        problems = []
        for root in self.roots.systems:
            for option, path in _yaml_files(root if group == SYSTEM else root / EXPERIMENT):
                if option in mine:
                    problems.append(self._clash(group, option, mine[option], path))
                    continue
                mine[option] = path
                if option in found and not (group == SYSTEM and self._replaces(path)):
                    problems.append(self._clash(group, option, found[option], path))
        problems.extend(self._twins(group, found, mine))
        if problems:
            raise ConfigError(problems)
        return {**found, **mine}

    def _shipped(self, group: str) -> dict[str, Path]:
        """The files of a group's options that are not the user's, listed once."""
        if group not in self._ours:
            self._ours[group] = self._list_shipped(group)
        return self._ours[group]

    def _list_shipped(self, group: str) -> dict[str, Path]:
        found: dict[str, Path] = {}
        problems = []
        for root in (self.roots.conf, *self.roots.plugins):
            for option, path in _yaml_files(root / group):
                if option in found:
                    problems.append(self._clash(group, option, found[option], path))
                found[option] = path
        if problems:
            raise ConfigError(problems)
        return found

    def _replaces(self, path: Path) -> bool:
        try:
            return replaces_shipped(self._read(path, self._shown(path)))
        except ConfigError:
            return True  # whether it does cannot be read: that is told, and nothing about clashes

    def _clash(self, group: str, option: str, first: Path, second: Path) -> Problem:
        message = f"two files define it: {self._shown(first)} and {self._shown(second)}"
        hint = "rename one of them"
        if group == SYSTEM and first.parent not in self.roots.systems and second.parent in self.roots.systems:
            hint = "rename yours, or write system: {replaces_shipped: true} into it, to use it in place of the other"
        return Problem(f"{group}={option}", message, self._shown(second), hint=hint)

    def _twins(self, group: str, shipped: Mapping[str, Path], mine: Mapping[str, Path]) -> Iterator[Problem]:
        """The user's options whose names differ from another's in case alone: folders of results may not tell them."""
        folded = {option.lower(): option for option in shipped}
        for option, path in mine.items():
            twin = folded.setdefault(option.lower(), option)
            if twin != option:
                message = f"differs from {twin} only in the case of its letters"
                yield Problem(f"{group}={option}", message, self._shown(path), hint="rename the file, and its id")

    def _shown(self, path: Path) -> str:
        """A path for people: ours as conf/..., a plug-in's below its package, the user's from where they work."""
        if path.is_relative_to(self.roots.conf):
            return (Path(self.roots.conf.name) / path.relative_to(self.roots.conf)).as_posix()
        for root in self.roots.plugins:
            if path.is_relative_to(root):
                return (Path(root.parent.name, root.name) / path.relative_to(root)).as_posix()
        here = Path.cwd()
        return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _listed(config: Document) -> set[str]:
    """The groups of a primary config's defaults list."""
    items = config.defaults if isinstance(config.defaults, list) else []
    return {str(key) for item in items if isinstance(item, dict) for key in item}


def _entries(folder: Path) -> tuple[os.DirEntry[str], ...]:
    """What lies in a folder, nothing where there is none; each says by itself whether it is a file."""
    try:
        with os.scandir(folder) as found:
            return tuple(found)
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _yaml_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for name in sorted(entry.name for entry in _entries(folder) if entry.is_file()):
        path = folder / name
        if path.suffix == ".yaml":
            yield path.stem, path
