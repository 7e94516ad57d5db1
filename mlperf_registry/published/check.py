"""check(): whether conf/ still gives every published configuration: each field with its value, and no field more.

What modes set does not count: a first try may be shorter than what NVIDIA published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.compose.composed import Composed
from mlperf_registry.compose.library import Library
from mlperf_registry.compose.tuned import TunedCell
from mlperf_registry.published.renames import Renames, equal, load_renames
from mlperf_registry.published.rows import Row, read_rows
from mlperf_registry.published.set_values import BEFORE, set_values
from mlperf_registry.published.split import spelled
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import ConfigError


@attrs.frozen
class FieldDifference:
    """One field that is not as published. None stands for a field that is not there."""

    name: str
    """As published; where our path has no published value, what the round called it."""
    path: str | None
    """Ours; None for a name that the table of renames does not have."""
    published: Any
    """In our units, mappings entry by entry."""
    ours: Any
    origin: str | None
    line: int | None


@attrs.frozen
class Difference:
    """One configuration that differs."""

    line: int
    """Of the file of published configurations."""
    cell: str
    """``<round>/<system>/<benchmark>/<scenario> <variant>``."""
    fields: tuple[FieldDifference, ...]
    problems: tuple[str, ...] = ()
    """Why it does not compose, where it does not."""


@attrs.frozen
class Checked:
    """How conf/ compares with a file of published configurations; total = matched + missing + differing."""

    total: int
    matched: int
    missing_cells: tuple[str, ...]
    """Configurations for which there are no tuned values."""
    differing: tuple[Difference, ...]
    left_out: Mapping[str, int]
    """Published name to how often its value was an absolute path on NVIDIA's machines, which is not ours to keep."""

    @property
    def missing(self) -> int:
        """How many configurations have no tuned values."""
        return len(self.missing_cells)

    def as_json(self) -> dict[str, Any]:
        """The object of the contract for programs."""
        return {
            "total": self.total,
            "matched": self.matched,
            "missing": self.missing,
            "differing": [attrs.asdict(one) for one in self.differing],
            "missing_cells": list(self.missing_cells),
            "left_out": dict(self.left_out),
        }


def check(file: Path, registry: Registry) -> Checked:
    """Compare each configuration in ``file`` with the registry's, both ways.

    Args:
        file: published configurations, a JSON object a line; see ``rows``.
        registry: composes the cells, through its matrix.

    Raises:
        ConfigError: when the file, or a line of it, is no published configuration.
    """
    renames = load_renames()
    rows = read_rows(file, renames.options)
    missing: list[str] = []
    differing: list[Difference] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        translated = renames.to_ours(row)
        left_out.update(translated.left_out.keys())
        try:
            backend = _backend(row, registry.library)
            if backend is None:
                missing.append(_named(row))
                continue
            composed = registry.matrix.compose([*row.words, f"backend={backend}"], until=BEFORE)
        except ConfigError as error:
            differing.append(Difference(row.line, _named(row), (), tuple(map(str, error.problems))))
            continue
        fields = tuple(differences(row, composed, renames))
        if fields:
            differing.append(Difference(row.line, _named(row), fields))
    matched = len(rows) - len(missing) - len(differing)
    return Checked(len(rows), matched, tuple(missing), tuple(differing), dict(sorted(left_out.items())))


def differences(row: Row, composed: Composed, renames: Renames) -> Iterator[FieldDifference]:
    """The fields in which a composed cell is not what its row published, and those that it sets besides."""
    translated = renames.to_ours(row)
    for name in translated.unknown:
        yield FieldDifference(name, None, row.fields[name], None, None, None)
    ignored = set(translated.left_out.values())
    ours = set_values(composed.tree, renames)
    for path in dict.fromkeys((*translated.values, *ours)):
        owner = renames.owner(path)
        if owner is None or owner in ignored:
            continue
        if path not in ours or path not in translated.values or not equal(translated.values[path], ours[path]):
            origin, line = composed.origin(path)
            yield FieldDifference(
                ".".join((renames.name_of(owner, row), *path[len(owner) :])),
                ".".join(path),
                translated.values.get(path),
                ours.get(path),
                origin,
                line,
            )


def _backend(row: Row, library: Library) -> str | None:
    """The engine library for which the row's variant is tuned; None where it is untuned."""
    file = library.tuned.file(TunedCell(row.round, row.system, row.benchmark, row.scenario))
    return None if file is None or spelled(row.names) not in file.tuned_for else file.backends[0]


def _named(row: Row) -> str:
    return f"{row.address} {spelled(row.names)}"
