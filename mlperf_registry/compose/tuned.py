"""Tuned: published and hand-tuned values: which variants there are, and what each holds, shared values included.

The one truth about both: Hydra's source and the matrix ask here. A cell without a file may take a base's values over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from mlperf_registry.compose.document import Document, load_yaml
from mlperf_registry.compose.tree import OutsideDialect, Tree, overlay
from mlperf_registry.compose.tuned_file import TunedFile, Vocabulary, read_tuned_file, variant_of
from mlperf_registry.schema.problem import ConfigError, Problem

if TYPE_CHECKING:
    from mlperf_registry.compose.bases import Bases
    from mlperf_registry.compose.derivation import Derivation

SHARED = "_shared"
"""Stands for the system in the path of a shared file."""
_CELLS = "[!_]*/*/*.yaml"
"""Files of cells in a round's folder."""
_LAYOUT = f"tuned/<round>/<system or {SHARED}>/<benchmark>/<scenario>.yaml"


@cache
def age(round_name: str) -> tuple[int, ...]:
    """Sorts rounds, oldest first."""
    return tuple(int(number) for number in re.findall(r"\d+", round_name))


@attrs.frozen(order=True)
class TunedCell:
    """Address of a cell's file."""

    tuned_round: str
    system: str
    benchmark: str
    scenario: str

    def __str__(self) -> str:
        return f"{self.tuned_round}/{self.system}/{self.benchmark}/{self.scenario}"

    def of(self, system: str) -> TunedCell:
        """The same cell of another system."""
        return TunedCell(self.tuned_round, system, self.benchmark, self.scenario)


class Tuned:
    """The folders ``tuned`` of all roots, strongest first; a file is taken from the first that has it."""

    def __init__(
        self,
        folders: tuple[Path, ...],
        vocabulary: Vocabulary,
        *,
        shown: Callable[[Path], str] = str,
        load: Callable[[Path, str], Document] = load_yaml,
        bases: Bases | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            folders: each holds ``<round>/<system>/<benchmark>/<scenario>.yaml``.
            vocabulary: the names that files may use.
            shown: a path's name for people.
            load: reads a file, given its path and its name.
            bases: says which systems take over whose values; without, none does.
        """
        self._folders = folders
        self._vocabulary = vocabulary
        self._shown = shown
        self._load = load
        self._bases = bases
        self._files: dict[TunedCell, TunedFile] = {}
        self._asked: dict[TunedCell, Path | None] = {}

    @cached_property
    def rounds(self) -> tuple[str, ...]:
        """Rounds with tuned values; to know them is not to look at every file."""
        folders = (below for folder in self._folders if folder.is_dir() for below in folder.iterdir())
        return tuple(sorted({folder.name for folder in folders if next(folder.glob(_CELLS), None)}))

    def folder(self, tuned_round: str) -> Path | None:
        """The strongest folder of a round; None for a round without tuned values."""
        if tuned_round not in self.rounds:
            return None
        return next(found for folder in self._folders if (found := folder / tuned_round).is_dir())

    def cells_of(self, system: str) -> tuple[TunedCell, ...]:
        """Every cell of a system that has a file; to know them is to look at no other system's."""
        if system == SHARED:
            return ()
        places = product(self.rounds, self._folders)
        files = ((name, file) for name, folder in places for file in (folder / name / system).glob("*/*.yaml"))
        return tuple(sorted({TunedCell(name, system, file.parent.name, file.stem) for name, file in files}))

    def inherited_cells_of(self, system: str) -> tuple[TunedCell, ...]:
        """Every cell of a system that has none, and takes a base's values over.

        Raises:
            ConfigError: when a base of the system is wrong.
        """
        bases = [derivation.base for derivation in self.derivations(system)]
        cells = {cell.of(system) for base in bases for cell in self.cells_of(base)}
        return tuple(sorted(cells.difference(self.cells_of(system))))

    def derivations(self, system: str) -> tuple[Derivation, ...]:
        """From which systems, nearest first, a system takes values over where it has none; mostly empty.

        Raises:
            ConfigError: when a base of the system is wrong.
        """
        return () if self._bases is None else self._bases.derivations(system)

    def derivation(self, cell: TunedCell) -> Derivation | None:
        """What makes the cell's values of a base's; None where it has a file, or no base has one. Errors as above."""
        derivations = self.derivations(cell.system)
        if not derivations or self._path(cell) is not None:
            return None
        return next((one for one in derivations if self._path(cell.of(one.base)) is not None), None)

    def source(self, cell: TunedCell) -> TunedCell:
        """The cell whose file holds for this one: itself, or that of the nearest base with one. Errors as above."""
        derivation = self.derivation(cell)
        return cell if derivation is None else cell.of(derivation.base)

    def origin(self, cell: TunedCell) -> str:
        """How the cell's own file is named to people."""
        return self._shown(self._paths[cell])

    def rounds_of(self, system: str, benchmark: str, scenario: str) -> tuple[str, ...]:
        """Rounds with values for the cell: those with a file of its own, newest first, then those of its bases."""
        own = self._rounds_of(system, benchmark, scenario)
        derivations = self.derivations(system)
        if not derivations:
            return own
        taken = (self._rounds_of(one.base, benchmark, scenario) for one in derivations)
        return tuple(dict.fromkeys(chain(own, *taken)))

    def _rounds_of(self, system: str, benchmark: str, scenario: str) -> tuple[str, ...]:
        return tuple(name for name in self._newest_first if self._path(TunedCell(name, system, benchmark, scenario)))

    @cached_property
    def _newest_first(self) -> tuple[str, ...]:
        return tuple(sorted(self.rounds, key=age, reverse=True))

    @cached_property
    def cells(self) -> tuple[TunedCell, ...]:
        """Every cell that has a file."""
        return tuple(cell for cell in sorted(self._paths) if cell.system != SHARED)

    @cached_property
    def shared(self) -> tuple[TunedCell, ...]:
        """Every file of values that systems share."""
        return tuple(cell for cell in sorted(self._paths) if cell.system == SHARED)

    def options(self) -> Iterator[str]:
        """Every option of the group ``tuned``.

        Raises:
            ConfigError: when a cell's file is wrong.
        """
        variants = self._vocabulary.variants
        heirs = () if self._bases is None else self._bases.heirs()
        for cell in chain(self.cells, *map(self.inherited_cells_of, heirs)):
            file = self.file(self.source(cell))
            if file is not None:
                for variant, backend in product(file.tuned_for, file.backends):
                    yield f"{cell}/{'+'.join(variants[variant])}+{backend}"

    def holds(self, cell: TunedCell, variant: str, backend: str) -> bool:
        """Whether there are values for the variant and this engine library, be they a base's.

        Raises:
            ConfigError: when the cell's file is wrong, or a base of its system.
        """
        file = self.file(self.source(cell))
        return file is not None and file.holds(variant, backend)

    def file(self, cell: TunedCell) -> TunedFile | None:
        """The cell's own file; None without one.

        Raises:
            ConfigError: with every unknown name in it.
        """
        file = self._files.get(cell)
        if file is None and (path := self._path(cell)) is not None:
            file = self._files[cell] = self._read(cell, path)
        return file

    def layers(self, option: str) -> tuple[Tree, ...] | None:
        """The layers of an option, weakest first: shared, its deltas, cell, its deltas; None where it is untuned.

        What is a base's becomes the system's own: ``Derivation`` says how.

        Args:
            option: ``<round>/<system>/<benchmark>/<scenario>/<accuracy target>+<harness>+<power setting>+<backend>``.
        """
        address, _, spelled = option.rpartition("/")
        parts, names = address.split("/"), spelled.split("+")
        if len(parts) != 4 or len(names) != 4:
            return None
        cell = TunedCell(*parts)
        *variant, backend = names
        derivation = self.derivation(cell)
        own = self.file(cell if derivation is None else cell.of(derivation.base))
        if own is None or not own.holds(variant_of(*variant), backend):
            return None
        shared = self.file(cell.of(SHARED))
        files = (own,) if shared is None else (shared, own)
        layers = tuple(layer for file in files for layer in file.layers(frozenset(variant)))
        if derivation is None or self._bases is None:
            return layers
        fields = self._bases.fields(cell.benchmark, backend)
        return tuple(derivation.of(layer, fields) for layer in layers)

    def merged(self, option: str) -> Tree | None:
        """The option as one tree of leaves; None where it is untuned. Errors as for ``merge``."""
        layers = self.layers(option)
        return None if layers is None else self.merge(option, layers)

    @staticmethod
    def merge(option: str, layers: tuple[Tree, ...]) -> Tree:
        """The layers of an option as one tree of leaves.

        Raises:
            ConfigError: when a mapping stands against a list or a reference.
        """
        tree: Tree = {}
        try:
            for layer in layers:
                tree = overlay(tree, layer)
        except OutsideDialect as error:
            raise ConfigError([Problem(f"tuned={option}", f"its layers do not merge: {error}")]) from error
        return tree

    def _read(self, cell: TunedCell, path: Path) -> TunedFile:
        return read_tuned_file(self._load(path, self._shown(path)), self._vocabulary, shared=cell.system == SHARED)

    def _path(self, cell: TunedCell) -> Path | None:
        """The cell's file. One cell is asked for; who wants all has looked at all, in 600 folders."""
        if "_paths" in self.__dict__:
            return self._paths.get(cell)
        if cell not in self._asked:
            places = (Path(folder, str(cell)).with_name(f"{cell.scenario}.yaml") for folder in self._folders)
            self._asked[cell] = next((place for place in places if place.is_file()), None)
        return self._asked[cell]

    @cached_property
    def _paths(self) -> dict[TunedCell, Path]:
        found: dict[TunedCell, Path] = {}
        misplaced = []
        for folder in self._folders:
            for directory, _, names in os.walk(folder):
                above = Path(directory).relative_to(folder).parts
                for name in names:
                    path = Path(directory, name)
                    if path.suffix == ".yaml":
                        if len(above) == 3:
                            found.setdefault(TunedCell(*above, path.stem), path)
                        else:
                            misplaced.append(path)
        if misplaced:
            raise ConfigError(
                Problem("tuned", "lies at the wrong depth", self._shown(path), hint=f"move it to {_LAYOUT}")
                for path in sorted(misplaced)
            )
        return found
