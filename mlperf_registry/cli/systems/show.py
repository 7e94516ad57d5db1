"""``mlperf systems show NAME``: one system: its file, its rules beside this machine, its base and its tuned cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import compared
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry
from mlperf_registry.cli.systems.match import rule
from mlperf_registry.cli.systems.words import one_word, system_option
from mlperf_registry.cli.table import table
from mlperf_registry.registry import Registry
from mlperf_registry.schema.sections import System
from mlperf_registry.structure import unstructure

_NONE = "none"


def show(request: Request) -> int:
    """Answer ``mlperf systems show NAME``."""
    name = one_word(request)
    registry = open_registry(request.systems)
    option = system_option(registry, name, "NAME")
    system = registry.identities.system(option)
    rules = [rule(one) for one in compared(registry, machine_here(request.machine), system).comparisons]
    tuned = list(_tuned(registry, option))
    file, replaced = registry.library.require("system", option).origin, registry.library.replaced(option)
    if request.json:
        print_json(
            {"file": file, "replaces": replaced, "system": unstructure(system), "rules": rules, "tuned": tuned},
        )
        return 0
    print(f"{system.id}: {system.description or 'no description'}")
    for label, text in _facts(system, file, replaced):
        print(f"  {label:<13}{text}")
    print()
    if rules:
        print(table(("rule", "wanted", "this machine", "verdict"), (list(one.values()) for one in rules)))
    else:
        print("No rules: no machine is recognised as it, and system=... chooses it.")
    print()
    if tuned:
        heads = ("tuned_round", "benchmark", "scenario", "variants", "backends", "values_of")
        print(table(heads, ([_text(one[head]) for head in heads] for one in tuned)))
    else:
        print("No tuned cells.")
    return 0


def _facts(system: System, file: str, replaced: str | None) -> Iterator[tuple[str, str]]:
    yield "file", file if replaced is None else f"{file}, yours, in place of {replaced}"
    if system.accelerator_count:
        yield "accelerators", f"{system.accelerator_count} x {system.accelerator or 'not named'}"
    yield "devices", ", ".join(system.devices)
    yield "category", system.category or "not stated"
    yield "status", system.status
    if system.rounds:
        yield "rounds", ", ".join(system.rounds)
    if system.aliases:
        yield "also called", ", ".join(system.aliases)
    if system.same_hardware_as is not None:
        yield "now called", system.same_hardware_as
    if system.base is not None:
        yield "base", f"{system.base.system}, rates x{system.base.rate_factor:g}, sizes x{system.base.size_factor:g}"


def _tuned(registry: Registry, option: str) -> Iterator[dict[str, Any]]:
    tuned = registry.library.tuned
    for cell in sorted((*tuned.cells_of(option), *tuned.inherited_cells_of(option))):
        source = tuned.source(cell)
        file = tuned.file(source)
        if file is not None:
            yield {
                "tuned_round": cell.tuned_round,
                "benchmark": cell.benchmark,
                "scenario": cell.scenario,
                "variants": list(file.tuned_for),
                "backends": list(file.backends),
                "values_of": source.system,
                "file": tuned.origin(source),
            }


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
