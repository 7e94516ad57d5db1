"""Registry: the way in for programs: composed, typed and explained configurations, one cell or all of them.

Sits on composition and rules; whatever runs, reports or prints takes its workloads from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

import attrs

from mlperf_registry import plugins as plugin_table
from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.choices import (
    NONE,
    NoEngineLibrary,
    Rounds,
    choose,
    chosen_options,
    runnable,
    translate,
)
from mlperf_registry.compose.composed import Choice, Composed, Setting
from mlperf_registry.compose.derivation import Derivation
from mlperf_registry.compose.fields import Field, described_fields, option_fields
from mlperf_registry.compose.identities import Identities
from mlperf_registry.compose.library import Library, Roots
from mlperf_registry.compose.matrix import Matrix
from mlperf_registry.compose.mistakes import check_overrides
from mlperf_registry.compose.override import Override
from mlperf_registry.compose.owned import usurped
from mlperf_registry.compose.tree import plain_paths
from mlperf_registry.compose.tuned import TunedCell
from mlperf_registry.rules.meaning import meaningless
from mlperf_registry.rules.round import newest_round_of, round_names, targets_of
from mlperf_registry.schema.cell import AXES, Cell
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import Made, structure, unstructure

State = Literal["meaningless", "untuned", "tuned"]
_LEFT_OPEN = ("backend", "round", "accuracy_target", "tuned_round")
_OWNED = ("benchmark.options", "backend.options")


@attrs.frozen(kw_only=True)
class Explained:
    """One field of a composed configuration."""

    path: str
    value: Any
    """In the canonical unit."""
    unit: str | None
    doc: str
    engine: tuple[str, ...]
    """Backends whose builder reads the field, so that changing it means another engine."""
    chain: tuple[Setting, ...]
    """Oldest first."""

    def as_json(self) -> dict[str, Any]:
        """The object of the contract for programs."""
        return attrs.asdict(self)


@attrs.frozen
class Difference:
    """A leaf in which two workloads differ; None stands for absent too."""

    path: str
    left: Any
    right: Any


@attrs.frozen
class CellRecord:
    """One cell and how it stands, composed only when asked."""

    cell: Cell
    state: State
    why: str
    """Why it has no meaning, or where its tuned values come from."""
    chosen: tuple[Choice, ...] = attrs.field(repr=False)
    _registry: Registry = attrs.field(repr=False, eq=False)
    problems: tuple[Problem, ...] = ()
    """Of the files that say how it stands."""

    @property
    def tuned_round(self) -> str | None:
        """The round of the tuned values that apply, be they derived from those of a base; None where none do."""
        found = next((choice.option for choice in self.chosen if choice.key == "tuned_round"), NONE)
        return None if found == NONE else found

    @property
    def overrides(self) -> tuple[str, ...]:
        """The cell as a command line."""
        return tuple(f"{axis}={option}" for axis, option in self.cell.options.items())

    def composed(self) -> Composed:
        """The cell's values, through the matrix.

        Raises:
            ConfigError: when the cell has no meaning, or its files are wrong.
        """
        if self.problems:
            raise ConfigError(self.problems)
        if self.state == "meaningless":
            raise ConfigError([Problem(str(self.cell), self.why)])
        return self._registry.matrix.compose(self.overrides, self.chosen)

    def workload(self) -> Workload:
        """The cell as a typed workload; errors as for ``composed``, and every problem of its values."""
        return self._registry.structure(self.composed())


class Registry:
    """Every configuration that conf/, plug-ins and the user's systems make."""

    def __init__(self, roots: Roots) -> None:
        self.library = Library(roots)
        self.matrix = Matrix(self.library)
        self._identities = Identities(self.library)
        self._rounds = Rounds(round_names(), newest_round_of, targets_of)
        self._made = Made()

    @classmethod
    def load(
        cls, conf: Path | None = None, systems: Sequence[Path] = (), plugins: Sequence[Path] | None = None
    ) -> Registry:
        """The registry of an installation.

        Args:
            conf: the folder with config.yaml; by default this package's.
            systems: folders with the user's systems, before those that $MLPERF_SYSTEMS_PATH and ./systems give.
            plugins: conf folders of other distributions; by default those that are installed.
        """
        return cls(Roots.find(conf, systems, plugins))

    def get(
        self,
        *,
        system: str | None = None,
        benchmark: str | None = None,
        scenario: str | None = None,
        accuracy_target: str | float | None = None,
        power_setting: str | None = None,
        harness: str | None = None,
        tuned_round: str | None = None,
        backend: str | None = None,
        mode: str | None = None,
        overrides: Sequence[str] = (),
    ) -> Workload:
        """One typed configuration. What is left out is the primary config's, or chosen from what is given.

        Raises:
            ConfigError: with every problem: unknown names, a meaningless cell, values of the wrong type, unit or range.
        """
        named = {
            "system": system,
            "benchmark": benchmark,
            "scenario": scenario,
            "accuracy_target": accuracy_target,
            "power_setting": power_setting,
            "harness": harness,
            "tuned_round": tuned_round,
            "backend": backend,
            "mode": mode,
        }
        words = [f"{group}={option}" for group, option in named.items() if option is not None]
        return self.structure(self.compose([*words, *overrides]))

    def translate(self, overrides: Sequence[str]) -> list[str]:
        """Overrides with aliases replaced, as Hydra must see them; those of a sweep too.

        Raises:
            ConfigError: when two of them contradict each other.
        """
        return translate(self.library, self._identities, overrides)

    def compose(self, overrides: Sequence[str] = (), *, quick: bool = False) -> Composed:
        """The values of one cell, with what was chosen for the user.

        Args:
            overrides: as on Hydra's command line, aliases included.
            quick: through the matrix instead of through Hydra: equal, and worth it for many cells.

        Raises:
            ConfigError: with every unknown group, option or key, or why the cell has no meaning.
            NotReady: when a backend is chosen whose plug-in does not load.
        """
        words, chosen = self._settle(overrides)
        return self.matrix.compose(words, chosen) if quick else compose_cell(self.library, words, chosen)

    def structure(self, composed: Composed) -> Workload:
        """The typed workload of composed values.

        Raises:
            ConfigError: with every problem, each with the file and line, or the override, that set the value.
        """
        problems = list(usurped(self.library, composed))
        try:
            workload = structure(Workload, composed.tree, origin=composed.origin, made=self._made)
        except ConfigError as error:
            raise ConfigError(dict.fromkeys((*problems, *error.problems))) from error
        if problems:
            raise ConfigError(problems)
        return workload

    def deviceless(self, workload: Workload) -> str | None:
        """That its system has no device of the kind that its engine library runs on, as a sentence, where that is so.

        Such a cell has a meaning, and some engines are built without a device: it is only that none can run here.
        """
        backend, system = workload.backend, workload.system
        if backend.device in system.devices:
            return None
        other = next(runnable(self._identities, workload.benchmark.id, system.devices), None)
        cure = f"choose {f'backend={other}, or ' if other else ''}a system that has one, system=NAME"
        return (
            f"{backend.name} runs on a {backend.device}, and {system.id} has none, only a {system.devices[0]}: {cure}."
        )

    @property
    def identities(self) -> Identities:
        """Who every benchmark, system and backend is, without composing."""
        return self._identities

    def is_tuned(self, composed: Composed) -> bool:
        """Whether tuned values of the system's own are part of it."""
        return self._has_values(composed) and self.derivation(composed) is None

    def derivation(self, composed: Composed) -> Derivation | None:
        """How tuned values of the system's base became part of it; None where they did not."""
        if not self._has_values(composed):
            return None
        address = (composed.choices[axis] or "" for axis in ("tuned_round", "system", "benchmark", "scenario"))
        return self.library.tuned.derivation(TunedCell(*address))

    def _has_values(self, composed: Composed) -> bool:
        option = composed.choices.get("tuned")
        return option is not None and self.library.tuned.layers(option) is not None

    def cells(
        self, *, backend: str | None = None, round_name: str | None = None, **patterns: str
    ) -> Iterator[CellRecord]:
        """Every cell that the axes span, in order.

        Args:
            backend: judge for this engine library, not for each cell's default.
            round_name: judge for this round, not for the newest that has the benchmark.
            patterns: axis to a glob over its options, such as ``system="H200*"``.

        Raises:
            ConfigError: for an axis that does not exist.
        """
        unknown = [
            Problem(axis, "there is no such axis", hint=nearest(axis, AXES)) for axis in patterns if axis not in AXES
        ]
        if unknown:
            raise ConfigError(unknown)
        axes = [
            [option for option in self.library.options(axis) if fnmatchcase(option, patterns.get(axis, "*"))]
            for axis in AXES
        ]
        given = {key: value for key, value in (("backend", backend), ("round", round_name)) if value is not None}
        for options in product(*axes):
            yield self._judged(Cell(*options), given)

    def explain(self, path: str | None = None, overrides: Sequence[str] = ()) -> list[Explained]:
        """Value, unit, doc, readers and chain of one field, of a section's fields, or of all.

        Raises:
            ConfigError: with the nearest names for an unknown path; and as ``compose`` and ``structure`` do.
        """
        composed = self.compose(overrides)
        workload = self.structure(composed)
        fields = self.fields(workload)
        if path is None:
            wanted = list(fields)
        else:
            wanted = [name for name in fields if name == path or name.startswith(f"{path}.")]
            owner = next((name for name in fields if fields[name].open and path.startswith(f"{name}.")), None)
            if owner is not None:
                fields[path], wanted = fields[owner], [path]
            if not wanted:
                raise ConfigError([Problem(path, "there is no such field", hint=nearest(path, fields))])
        values = dict(_leaves(workload))
        return [self._explained(name, fields[name], values, composed) for name in wanted]

    def fields(self, workload: Workload | None = None) -> dict[str, Field]:
        """Every field by dotted path; with a workload, the options of its benchmark and backend too."""
        fields = {path: field for path, field in described_fields().items() if path not in _OWNED}
        if workload is not None:
            fields.update(option_fields(workload.benchmark.family, workload.backend.name))
        return fields

    def diff(self, left: Workload, right: Workload) -> list[Difference]:
        """The leaves in which two workloads differ, in canonical units."""
        first, second = dict(_leaves(left)), dict(_leaves(right))
        return [
            Difference(path, first.get(path), second.get(path))
            for path in dict.fromkeys((*first, *second))
            if first.get(path) != second.get(path)
        ]

    def _settle(self, overrides: Sequence[str]) -> tuple[list[str], tuple[Choice, ...]]:
        """Overrides for composing, and what is chosen for the user."""
        words = self.translate(overrides)
        if "system=auto" in words:
            hint = f"name one: {', '.join(self.library.options('system'))}"
            raise ConfigError(
                [
                    Problem(
                        "system",
                        "a configuration never looks at the machine; find it out first",
                        "override:system=auto",
                        hint=hint,
                    )
                ]
            )
        parsed = check_overrides(self.library, words)
        options = chosen_options(self.library, parsed)
        given = {
            override.key: override.written
            for override in parsed
            if override.key in _LEFT_OPEN and not isinstance(override.value, dict)
        }
        chosen = choose(self.library, self._identities, options, self._known_rounds(given, parsed), given=given)
        settled = {**options, **{choice.key: choice.option for choice in chosen}}
        refused = self._refused(settled)
        if any(problem.path == "backend" for problem in refused):
            plugin_table.backend(settled["backend"])  # what a plug-in that does not load claims is not known
        problems = [*refused, *self.library.misnamed(options["system"])]
        if problems:
            raise ConfigError(problems)
        return words, chosen

    def _refused(self, choices: Mapping[str, str]) -> tuple[Problem, ...]:
        """Why a benchmark cannot be combined with what is chosen."""
        benchmark = self._identities.benchmark(choices["benchmark"])
        backend = choices.get("backend")
        if backend is None or backend in benchmark.backends:
            return meaningless(benchmark, choices)
        devices = self._identities.system(choices["system"]).devices
        return meaningless(benchmark, choices, runnable(self._identities, benchmark.id, devices))

    def _known_rounds(self, given: Mapping[str, str], parsed: Sequence[Override]) -> Rounds:
        name = given.get("round")
        if name is not None and name not in self._rounds.names:
            text = next(override.text for override in parsed if override.key == "round")
            known = nearest(name, self._rounds.names[::-1])
            raise ConfigError(
                [Problem("round", f"there are no rules of a round {name!r}", f"override:{text}", hint=known)]
            )
        return self._rounds

    def _judged(self, cell: Cell, given: Mapping[str, str]) -> CellRecord:
        options = cell.options
        try:
            refused = self._refused({**options, **given})
        except ConfigError as error:
            return self._unjudged(cell, error)
        if refused:
            return CellRecord(cell, "meaningless", "; ".join(problem.message for problem in refused), (), self)
        try:
            fixed = {**given, "accuracy_target": cell.accuracy_target}
            chosen = choose(self.library, self._identities, options, self._rounds, given=fixed)
        except NoEngineLibrary as error:
            return CellRecord(cell, "meaningless", "; ".join(problem.message for problem in error.problems), (), self)
        except ConfigError as error:
            return self._unjudged(cell, error)
        tuned = chosen[-1]
        settings = (*(Choice(key, value, "asked for") for key, value in given.items()), *chosen)
        own = tuned.option != NONE and self._is_own(tuned.option, cell)
        return CellRecord(cell, "tuned" if own else "untuned", tuned.why, settings, self)

    def _is_own(self, tuned_round: str, cell: Cell) -> bool:
        address = TunedCell(tuned_round, cell.system, cell.benchmark, cell.scenario)
        return self.library.tuned.derivation(address) is None

    def _unjudged(self, cell: Cell, error: ConfigError) -> CellRecord:
        """A cell whose files are wrong: it says so when it is composed, and the walk over all cells goes on."""
        why = "; ".join(problem.message for problem in error.problems)
        return CellRecord(cell, "untuned", why, (), self, tuple(error.problems))

    def _explained(self, path: str, field: Field, values: Mapping[str, Any], composed: Composed) -> Explained:
        chain = composed.chain(path)
        if field.default is not attrs.NOTHING:
            chain = (Setting("field default", None, unstructure(field.default)), *chain)
        value: Any = values.get(path)
        if path == "benchmark.backends":
            # No workload has what plug-ins claim: to install one must not make another configuration of every cell.
            for name in self._identities.benchmark(composed.choices["benchmark"] or "").backends:
                if name not in value:
                    value = [*value, name]
                    chain = (*chain, Setting(f"plug-in {name}", None, value))
        if field.open and path not in values:
            value = {
                name.removeprefix(f"{path}."): found for name, found in values.items() if name.startswith(f"{path}.")
            }
        return Explained(
            path=path, value=value, unit=field.knob.unit, doc=field.knob.doc, engine=self._readers(path), chain=chain
        )

    def _readers(self, path: str) -> tuple[str, ...]:
        return tuple(
            name
            for name, reads in self._reads.items()
            if any(path == read or path.startswith(f"{read}.") for read in reads)
        )

    @cached_property
    def _reads(self) -> dict[str, tuple[str, ...]]:
        return {name: plugin.reads for name, plugin in sorted(plugin_table.backends().items())}


def _leaves(workload: Workload) -> Iterator[tuple[str, Any]]:
    for path, value in plain_paths(unstructure(workload)):
        yield ".".join(path), value
