"""Renames: the table between the names and values that rounds published and ours, applied both ways.

The table is data, ``renames.yaml``; rounds renamed their fields, and some values are NVIDIA's own slips or paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

import attrs

from mlperf_registry.compose.document import load_yaml
from mlperf_registry.published.rows import OptionNames, Row

FieldPath = tuple[str, ...]
Values = dict[FieldPath, Any]
"""Leaves by path, in canonical units."""
Form = Literal["same", "count", "whole", "seconds", "index", "per_component", "scratch"]

OUR_SCRATCH = "preprocessed_data/"
"""Folder of preprocessed data below the scratch space."""


@attrs.frozen
class Rename:
    """One published name."""

    name: str
    path: FieldPath
    form: Form = "same"
    rounds: tuple[str, ...] = ()
    """Where the field had this name; empty: in all that have no other."""
    but_not_on: tuple[str, ...] = ()
    """Globs of systems that had the newer name in those rounds already."""

    def holds(self, round_name: str, system: str) -> bool:
        """Whether the field had this name there."""
        listed = not self.rounds or round_name in self.rounds
        return listed and not any(fnmatchcase(system, glob) for glob in self.but_not_on)


@attrs.frozen
class Translated:
    """A row in our names."""

    values: Values
    left_out: Mapping[str, FieldPath | None]
    """Published names whose values are absolute paths on NVIDIA's machines, to our paths, where we have any."""
    unknown: tuple[str, ...]
    """Published names that the table does not have in that round."""


@attrs.frozen
class BackendRule:
    """For which engine libraries published values hold."""

    backends: tuple[str, ...]
    rounds: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()

    def holds(self, row: Row) -> bool:
        """Whether the rule speaks of the row; what it leaves open, it says of all."""
        return (
            (not self.rounds or row.round in self.rounds)
            and (not self.benchmarks or row.benchmark in self.benchmarks)
            and (not self.systems or any(fnmatchcase(row.system, glob) for glob in self.systems))
        )


class Renames:
    """The whole table.

    Attributes:
        options: the rounds' names of options.
        notes: address of a tuned file to what its reader should know.
        paths: our path of every field of NVIDIA's.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        """The table from plain YAML, in the form of ``renames.yaml``."""
        self.options = OptionNames(table["benchmarks"], table["harnesses"])
        self.notes: Mapping[str, str] = table["notes"]
        forms: Mapping[str, Form] = table["values"]
        self._by_name = {
            name: Rename(name, (*section.split("."), name), forms.get(name, "same"))
            for section, names in table["same_name"].items()
            for name in names
        }
        for name, entry in table["older_names"].items():
            newer = self._by_name[entry["now"]]
            self._by_name[name] = Rename(
                name,
                newer.path,
                entry.get("as", newer.form),
                tuple(entry["rounds"]),
                tuple(entry.get("but_not_on", ())),
            )
        self._by_path: dict[FieldPath, list[Rename]] = {}
        for rename in self._by_name.values():
            # What a round called by an older name comes first: the newer name holds where no older one does.
            self._by_path.setdefault(rename.path, []).insert(0, rename)
        self.paths = frozenset(self._by_path)
        self._backends = tuple(
            BackendRule(**{key: tuple(names) for key, names in rule.items()}) for rule in table["backends"]
        )
        self._component_keys: Mapping[str, Mapping[str, str]] = table["component_keys"]
        self._without_key = frozenset(table["without_component_key"])
        self._with_variable = frozenset(table["with_preprocessed_data_dir"])
        self._left_out = frozenset(table["left_out"])

    def owner(self, path: FieldPath) -> FieldPath | None:
        """The field of NVIDIA's that a leaf is, or is an entry of; None where the leaf is none of NVIDIA's."""
        return next((path[:end] for end in range(2, len(path) + 1) if path[:end] in self.paths), None)

    def backends_of(self, row: Row) -> tuple[str, ...]:
        """The engine libraries for which a row's values hold."""
        return next(rule.backends for rule in self._backends if rule.holds(row))

    def name_of(self, path: FieldPath, row: Row) -> str:
        """What the round of a row called the field at ``path``."""
        return next(rename.name for rename in self._by_path[path] if rename.holds(row.round, row.system))

    def to_ours(self, row: Row) -> Translated:
        """The fields of a row under our paths, in canonical units."""
        values: Values = {}
        left_out: dict[str, FieldPath | None] = {}
        unknown: list[str] = []
        for name, value in row.fields.items():
            rename = self._by_name.get(name)
            if name in self._left_out:
                left_out[name] = None
            elif rename is None or self.name_of(rename.path, row) != name:
                unknown.append(name)
            elif isinstance(value, str) and value.startswith("/"):
                left_out[name] = rename.path
            else:
                values.update(_leaves(rename.path, self._read(rename.form, value, row)))
        return Translated(values, left_out, tuple(unknown))

    def to_published(self, values: Mapping[FieldPath, Any], row: Row) -> dict[str, Any]:
        """The fields that the round would have published; ``row`` says which cell, its own fields are not looked at."""
        fields: dict[str, Any] = {}
        for path, value in values.items():
            owner = self.owner(path)
            if owner is not None:
                put(fields, (self.name_of(owner, row), *path[len(owner) :]), value)
        return {name: self._write(self._by_name[name].form, value, row) for name, value in fields.items()}

    def _read(self, form: Form, value: Any, row: Row) -> Any:
        if form == "count" and value is True:
            return 1
        if form == "whole" and isinstance(value, float) and value.is_integer():
            return int(value)
        if form == "seconds" and _is_number(value):
            return value * 1000
        if form == "index" and _is_number(value):
            return [value]
        if form == "per_component" and isinstance(value, dict) and list(value) == [self._component_key(row)]:
            return value[self._component_key(row)]
        if form == "scratch" and isinstance(value, str):
            return _each_path(value, self._scratch(row), OUR_SCRATCH)
        return value

    def _write(self, form: Form, value: Any, row: Row) -> Any:
        if form == "seconds" and _is_number(value):
            return value / 1000
        if form == "index" and isinstance(value, list) and len(value) == 1:
            return value[0]
        if form == "per_component" and not isinstance(value, dict) and row.round not in self._without_key:
            return {self._component_key(row): value}
        if form == "scratch" and isinstance(value, str):
            return _each_path(value, OUR_SCRATCH, self._scratch(row))
        return value

    def _component_key(self, row: Row) -> str:
        """The key under which the round wrote the value of the benchmark's only component."""
        return self._component_keys.get(row.round, {}).get(row.benchmark, row.benchmark)

    def _scratch(self, row: Row) -> str:
        return "${PREPROCESSED_DATA_DIR}/" if row.round in self._with_variable else "build/preprocessed_data/"


@cache
def load_renames() -> Renames:
    """The table that ships with the package."""
    return Renames(load_yaml(Path(__file__).with_name("renames.yaml"), "renames.yaml").tree)


def put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set ``value`` at ``path`` of nested dicts."""
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def equal(published: Any, ours: Any) -> bool:
    """Whether two values are equal: numbers as numbers, but 1 is not true, nor "1"."""
    if isinstance(published, list) and isinstance(ours, list):
        return len(published) == len(ours) and all(map(equal, published, ours))
    if _is_number(published) and _is_number(ours):
        return bool(published == ours)
    return type(published) is type(ours) and bool(published == ours)


def _leaves(path: FieldPath, value: Any) -> Iterator[tuple[FieldPath, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    else:
        yield path, value


def _each_path(paths: str, prefix: str, instead: str) -> str:
    """Comma-separated paths, each with ``instead`` in place of ``prefix`` where it starts so."""
    return ",".join(
        instead + path.removeprefix(prefix) if path.startswith(prefix) else path for path in paths.split(",")
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
