"""Bases: from which system another takes its tuned values over, followed from base to base, and with which factors.

Read from the files of these systems alone, when one of them is asked about: most systems have no base.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from mlperf_registry.compose.ancestry import ancestors
from mlperf_registry.compose.derivation import Derivation
from mlperf_registry.compose.document import Document
from mlperf_registry.compose.documents import Documents
from mlperf_registry.compose.fields import Field, cell_fields
from mlperf_registry.compose.tree import Path, Tree
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections.system import SystemBase
from mlperf_registry.structure import structure

_SYSTEM, _BASE = "system", "base"


@attrs.frozen
class _Stated:
    """A base, and the file that states it."""

    base: SystemBase
    document: Document

    def problem(self, message: str, hint: str | None) -> Problem:
        line = self.document.lines.get((_SYSTEM, _BASE, _SYSTEM))
        return Problem(f"{_SYSTEM}.{_BASE}.{_SYSTEM}", message, self.document.origin, line, hint)


class Bases:
    """The bases of all systems."""

    def __init__(self, documents: Documents) -> None:
        """Nothing is read yet."""
        self._documents = documents
        self._found: dict[str, tuple[Derivation, ...]] = {}

    def derivations(self, system: str) -> tuple[Derivation, ...]:
        """What a system takes over: from its base, from that one's base, and so on; nearest first, mostly empty.

        Raises:
            ConfigError: when a base is unknown, leads back to a system before it, or is stated wrongly.
        """
        if system not in self._found:
            self._found[system] = self._follow(system)
        return self._found[system]

    def heirs(self) -> tuple[str, ...]:
        """Every system with a base; one whose file is wrong is told when it is chosen."""
        return tuple(name for name in self._documents.options(_SYSTEM) if self._has_base(name))

    def fields(self, benchmark: str, backend: str) -> Mapping[Path, Field]:
        """Every field of a benchmark's cells with an engine library, by path."""
        document = self._documents.document("benchmark", benchmark)
        family = None if document is None else _stated(document, "benchmark", "family")
        return cell_fields(family if isinstance(family, str) else None, backend)

    def _has_base(self, system: str) -> bool:
        try:
            return bool(self.derivations(system))
        except ConfigError:
            return False

    def _follow(self, system: str) -> tuple[Derivation, ...]:
        made: list[Derivation] = []
        seen = [system]
        rate = size = 1.0
        counts: list[int] = []
        dlas: list[int] = []
        while (found := self._base(seen[-1])) is not None:
            base = found.base
            if base.system in seen:
                way = " -> ".join([*seen, base.system])
                raise ConfigError([found.problem(f"leads back to where it began: {way}", "remove one of these bases")])
            if base.system not in self._documents.options(_SYSTEM):
                hint = self._documents.unknown(_SYSTEM, base.system).hint
                raise ConfigError([found.problem(f"there is no system {base.system!r}", hint)])
            count = self._count(seen[-1])
            counts += [count] if count else []
            dlas.append(self._dlas(seen[-1]))
            rate, size = (float(f"{factor:.6g}") for factor in (rate * base.rate_factor, size * base.size_factor))
            accelerators, said = min(counts, default=0), self._stated_by(system)
            made.append(Derivation(base.system, system, rate, size, accelerators, min(dlas), said))
            seen.append(base.system)
        return tuple(made)

    def _base(self, system: str) -> _Stated | None:
        for document in ancestors(self._documents, _SYSTEM, system):
            section = _stated(document, _SYSTEM, _BASE)
            if section is not None:
                return _Stated(_structured(section, document), document)
        return None

    def _count(self, system: str) -> int:
        found = (_stated(one, _SYSTEM, "accelerator_count") for one in ancestors(self._documents, _SYSTEM, system))
        count = next((value for value in found if value is not None), 0)
        return count if type(count) is int else 0

    def _dlas(self, system: str) -> int:
        rules = (_stated(one, _SYSTEM, "match") for one in ancestors(self._documents, _SYSTEM, system))
        found = (one["dla_count"] for one in rules if isinstance(one, dict) and "dla_count" in one)
        count = next(found, 0)
        return count if type(count) is int else 0

    def _stated_by(self, system: str) -> Tree:
        """What the system's files say besides who it is."""
        said: Tree = {}
        for document in ancestors(self._documents, _SYSTEM, system):
            if document.package == "_global_":
                _fill(said, {key: value for key, value in document.tree.items() if key != _SYSTEM})
        return said


def _structured(section: Any, document: Document) -> SystemBase:
    def origin(path: tuple[str, ...]) -> tuple[str, int | None]:
        return document.origin, document.lines.get((_SYSTEM, _BASE, *path), document.lines.get((_SYSTEM, _BASE)))

    if not isinstance(section, dict):
        message, hint = "must say which system, and by which factors", "write base: {system: <id>, rate_factor: 1}"
        raise ConfigError([Problem(f"{_SYSTEM}.{_BASE}", message, *origin(()), hint)])
    try:
        return structure(SystemBase, section, origin=origin)
    except ConfigError as error:
        prefixed = (attrs.evolve(problem, path=f"{_SYSTEM}.{_BASE}.{problem.path}") for problem in error.problems)
        raise ConfigError(prefixed) from error


def _stated(document: Document, section: str, key: str) -> Any:
    found = document.tree.get(section) if document.package == "_global_" else None
    return found.get(key) if isinstance(found, dict) else None


def _fill(said: Tree, more: Mapping[str, Any]) -> None:
    """Add what ``more`` says and ``said`` does not."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(said.setdefault(key, {}), dict):
            _fill(said[key], value)
        else:
            said.setdefault(key, value)
