"""``--cfg``: the composed configuration as YAML that could be read back: canonical values, and units where needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from mlperf_registry import plugins
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import tell_choices
from mlperf_registry.cli.terminal import say
from mlperf_registry.schema.applicability import Case, inapplicable
from mlperf_registry.schema.knob import Knob, knob_of
from mlperf_registry.schema.quantity import is_quantity_unit
from mlperf_registry.schema.workload import Workload
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
        print("\n".join(_lines(workload, (), origin, _case(workload))))
    return 0


def _case(workload: Workload) -> Case:
    """What decides which fields apply; of a third party's family or backend only its code knows."""
    family, backend = workload.benchmark.family, workload.backend.name
    ours = family in plugins.OUR_BENCHMARKS
    return Case(
        workload.benchmark.id if ours else None,
        family if ours else None,
        workload.scenario.name,
        workload.harness.name,
        backend if backend in plugins.OUR_BACKENDS else None,
    )


def _lines(section: Any, path: Path, origin: Callable[[Path], str], case: Case) -> Iterator[str]:
    indent = "  " * len(path)
    cls: type = type(section)
    nothing_reads = inapplicable(cls, case)
    for field in attrs.fields(cls):
        if field.name in nothing_reads:
            continue
        value, here = getattr(section, field.name), (*path, field.name)
        if attrs.has(type(value)):
            yield f"{indent}{field.name}:"
            yield from _lines(value, here, origin, case)
        elif value is not None:
            yield f"{indent}{field.name}: {_written(unstructure(value), knob_of(field))}{origin(here)}"


def _written(value: Any, knob: Knob) -> str:
    """``value`` in YAML's flow style, of which JSON is a part."""
    if isinstance(value, int) and is_quantity_unit(knob.unit) and not knob.unit_in_name:
        return f"{value}{knob.unit}"
    return json.dumps(value, ensure_ascii=False)
