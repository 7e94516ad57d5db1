"""The schema as paths: every field that a configuration may set, and the layers of nulls generated from them.

A layer of nulls under all values makes an override of any field possible, and a mistyped one an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from mlperf_registry import plugins
from mlperf_registry.compose.tree import Path, Tree
from mlperf_registry.schema.knob import Knob, knob_of
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import leaf_fields

BENCHMARK_OPTIONS: Path = ("benchmark", "options")
BACKEND_OPTIONS: Path = ("backend", "options")


@attrs.frozen
class Field:
    """One leaf of the schema."""

    path: Path
    knob: Knob
    type: Any
    default: Any
    """attrs.NOTHING for a required field."""

    @property
    def open(self) -> bool:
        """Whether its value may be a mapping whose keys are the user's, such as components."""
        return _is_mapping(self.type)


@cache
def workload_fields() -> Mapping[str, Field]:
    """Dotted path to field; what a benchmark or backend owns is one leaf, ``options``."""
    return _fields_of(Workload, ())


@cache
def described_fields() -> Mapping[str, Field]:
    """As ``workload_fields``, but of a section that may be absent, which is one leaf there, the fields that it has."""
    found: dict[str, Field] = {}
    for path, field in workload_fields().items():
        section = next((part for part in get_args(field.type) if attrs.has(part)), None)
        found.update({path: field} if section is None else _fields_of(section, field.path))
    return found


def option_fields(family: str | None, backend: str | None) -> dict[str, Field]:
    """Dotted path to field, for the options of a benchmark family and of a backend, where they have any."""
    found: dict[str, Field] = {}
    for table, name, path in (
        (plugins.benchmarks(), family, BENCHMARK_OPTIONS),
        (plugins.backends(), backend, BACKEND_OPTIONS),
    ):
        plugin = table.get(name or "")
        if plugin is not None and plugin.options is not None:
            found.update(_fields_of(plugins.load(plugin.options), path))
    return found


@cache
def cell_fields(family: str | None, backend: str | None) -> Mapping[Path, Field]:
    """Every field by path, with the options that a family and a backend own; in the order of the schema."""
    known = {**workload_fields(), **option_fields(family, backend)}
    return {field.path: field for field in known.values()}


def nulls(fields: Mapping[str, Field]) -> Tree:
    """A plain tree with every field null."""
    tree: Tree = {}
    for field in fields.values():
        node = tree
        for key in field.path[:-1]:
            node = node.setdefault(key, {})
        node[field.path[-1]] = None
    return tree


@cache
def open_paths() -> frozenset[Path]:
    """Fields of the workload whose keys are the user's: an override may add one."""
    return frozenset(field.path for field in workload_fields().values() if field.open)


def is_open(path: Path) -> bool:
    """Whether ``path`` is, or lies in, a field whose keys are the user's."""
    return any(path[:end] in open_paths() for end in range(1, len(path) + 1))


def _fields_of(cls: type, prefix: Path) -> dict[str, Field]:
    return {
        ".".join(path): Field(path, knob_of(attribute), hint, attribute.default)
        for path, attribute, hint in leaf_fields(cls, prefix)
    }


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_is_mapping(option) for option in get_args(hint))
    return isinstance(origin, type) and issubclass(origin, Mapping)
