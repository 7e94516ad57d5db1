"""Cells as commands show them: judged by the rules, found by patterns, and the untuned ones with a tuned relative."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlperf_registry import plugins
from mlperf_registry.compose.tuned import TunedCell
from mlperf_registry.rules.plan import forbidden
from mlperf_registry.schema.cell import AXES, POWER_NAMES, SCENARIO_NAMES, TARGET_NAMES, Cell
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.systems.relative import Kind, nearest_first

if TYPE_CHECKING:
    from mlperf_registry.registry import CellRecord, Registry

Row = dict[str, Any]

WRONG = "wrong"
"""The state of a cell whose files are wrong, so that it has no other."""
STATES = ("meaningless", "forbidden", "untuned", "tuned", WRONG)

_SHOWN_NAMES = {"scenario": SCENARIO_NAMES, "accuracy_target": TARGET_NAMES, "power_setting": POWER_NAMES}


def judged(record: CellRecord) -> Row:
    """A cell as JSON gives it: six keys, its state, the rule that forbids it, the round of its tuned values.

    Raises:
        ConfigError: when its files are wrong.
    """
    state: str = record.state
    rule, why = None, record.why
    if state != "meaningless":
        try:
            breaches = forbidden(record.workload())
        except NotReady as error:  # a plug-in that does not load must not hide the cells of others
            breaches, why = (), str(error)
        if breaches:
            state, rule, why = "forbidden", breaches[0].rule, breaches[0].message
    return {**_axes(record), "state": state, "rule": rule, "tuned_round": record.tuned_round, "why": why}


def judged_or_wrong(record: CellRecord, problems: dict[Problem, None]) -> Row:
    """A cell as ``judged`` has it, or with the state ``wrong``; what is wrong is added to ``problems``, each once."""
    try:
        return judged(record)
    except ConfigError as error:
        problems.update(dict.fromkeys(error.problems))
        why = "; ".join(problem.message for problem in error.problems)
    return {**_axes(record), "state": WRONG, "rule": None, "tuned_round": record.tuned_round, "why": why}


def _axes(record: CellRecord) -> Row:
    return {axis: shown_option(axis, getattr(record.cell, axis)) for axis in AXES}


def shown_option(axis: str, option: str) -> str:
    """An option as JSON and folders name it: ``offline`` is ``Offline``."""
    return _SHOWN_NAMES.get(axis, {}).get(option, option)


def cell_patterns(registry: Registry, filters: dict[str, str]) -> dict[str, str]:
    """Filters of axes as patterns over options, aliases and shown names translated.

    Raises:
        ConfigError: for an option without wildcards that its axis does not have.
    """
    patterns, problems = {}, []
    for axis in AXES:
        if axis not in filters:
            continue
        pattern = filters[axis]
        if not any(mark in pattern for mark in "*?["):
            (pattern, *_) = (word.partition("=")[2] for word in registry.translate([f"{axis}={pattern}"]))
            if pattern not in registry.library.options(axis):
                problems.append(registry.library.unknown(axis, pattern))
        elif axis in _SHOWN_NAMES:
            pattern = pattern.lower()
        patterns[axis] = pattern
    if problems:
        raise ConfigError(problems)
    return patterns


class Relatives:
    """For untuned cells, the nearest tuned one; for all, whether there is code to run them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._identities = registry.identities
        self._tuned: dict[tuple[str, str], dict[str, TunedCell]] = {}
        for cell in registry.library.tuned.cells:
            # Rounds come in order, so that the newest stays.
            self._tuned.setdefault((cell.benchmark, cell.scenario), {})[cell.system] = cell
        self._nearest: dict[tuple[str, str, str], str | None] = {}
        self._likest: dict[str, tuple[str, ...]] = {}

    def of(self, cell: Cell, state: str) -> Row:
        """``relative``, as ``<round>/<system>/<benchmark>/<scenario>`` or None, and ``harness_code``."""
        key = (cell.system, cell.benchmark, cell.scenario)
        if state == "untuned" and key not in self._nearest:
            self._nearest[key] = self._find(*key)
        return {
            "relative": self._nearest[key] if state == "untuned" else None,
            "harness_code": cell.harness in plugins.HARNESSES and self._is_runnable(cell.benchmark),
        }

    def _is_runnable(self, benchmark: str) -> bool:
        try:
            plugin = plugins.benchmarks().get(self._identities.benchmark(benchmark).family)
        except ConfigError:
            return False  # told with the cell itself
        return plugin is not None and plugin.runnable

    def _find(self, system: str, benchmark: str, scenario: str) -> str | None:
        """The system itself with another variant, else a base, else the one most like it by its accelerators."""
        there = self._tuned.get((benchmark, scenario), {})
        if system in there:
            return str(there[system])
        for derivation in self._registry.library.tuned.derivations(system):
            if derivation.base in there:
                return str(there[derivation.base])
        return next((str(there[name]) for name in self._by_likeness(system) if name in there), None)

    def _by_likeness(self, system: str) -> tuple[str, ...]:
        """Ids of the systems with tuned values and with or without accelerators as this one, most alike first."""
        if system not in self._likest:
            mine = self._identities.system(system)
            others = []
            for name in sorted({name for there in self._tuned.values() for name in there}):
                with suppress(ConfigError):
                    others.append(self._identities.system(name))
            alike = [other for other in others if (mine.accelerator is None) == (other.accelerator is None)]
            self._likest[system] = tuple(other.id for other in nearest_first(Kind.of_system(mine), alike))
        return self._likest[system]
