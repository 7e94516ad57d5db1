"""``--cfg``: the composed configuration as YAML that could be read back: canonical values, and units where needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import tell_choices
from mlperf_registry.cli.terminal import say
from mlperf_registry.schema.knob import Knob, knob_of
from mlperf_registry.schema.quantity import is_quantity_unit
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry

Path = tuple[str, ...]


def print_config(registry: Registry, overrides: Sequence[str], request: Request) -> int:
    """Print it, with origins as comments where they were asked for, and return 0.

    Raises:
        ConfigError: with every problem of the configuration.
    """
    composed = registry.compose(overrides)
    tell_choices(registry, composed, say)
    workload = registry.structure(composed)

    def origin(path: Path) -> str:
        if request.cfg != "origins":
            return ""
        name, line = composed.origin(path)
        return f"  # {name or 'field default'}{'' if line is None else f':{line}'}"

    if request.json:
        print_json(unstructure(workload))
    else:
        print("\n".join(_lines(workload, (), origin)))
    return 0


def _lines(section: Any, path: Path, origin: Callable[[Path], str]) -> Iterator[str]:
    indent = "  " * len(path)
    for field in attrs.fields(type(section)):
        value, here = getattr(section, field.name), (*path, field.name)
        if attrs.has(type(value)):
            yield f"{indent}{field.name}:"
            yield from _lines(value, here, origin)
        elif value is not None:
            yield f"{indent}{field.name}: {_written(unstructure(value), knob_of(field))}{origin(here)}"


def _written(value: Any, knob: Knob) -> str:
    """``value`` in YAML's flow style, of which JSON is a part."""
    if isinstance(value, int) and is_quantity_unit(knob.unit) and not knob.unit_in_name:
        return f"{value}{knob.unit}"
    return json.dumps(value, ensure_ascii=False)
