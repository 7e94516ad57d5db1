"""Rule: one sentence of the rules of MLPerf as a value, and Case: what a rule looks at.

A rule never raises and never looks at the mode: whether a breach warns or ends the command is the entry point's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import attrs

from mlperf_registry.rules.round import BenchmarkRules, CategoryRules, Round, ScenarioRules
from mlperf_registry.rules.settings import performance_settings
from mlperf_registry.schema.cell import Cell
from mlperf_registry.schema.plan import Breach, LoadGenSettings
from mlperf_registry.schema.workload import Workload

Division = Literal["closed", "open"]
BOTH_DIVISIONS: tuple[Division, ...] = ("closed", "open")


@attrs.frozen(kw_only=True, slots=False)
class Case:
    """A workload beside the round that judges it; what follows from both is made once, when a rule asks."""

    workload: Workload
    round: Round
    other_settings: LoadGenSettings | None = None
    """Settings to judge instead of those that the workload has under the round."""

    @cached_property
    def settings(self) -> LoadGenSettings:
        """The performance run's, complete."""
        return self.other_settings or performance_settings(self.workload, self.round)

    @cached_property
    def cell(self) -> Cell:
        """The workload's key."""
        return self.workload.cell

    @property
    def scenario(self) -> str:
        """The scenario's option."""
        return self.cell.scenario

    @property
    def target(self) -> str:
        """The accuracy target's option."""
        return self.cell.accuracy_target

    @cached_property
    def benchmark(self) -> BenchmarkRules | None:
        """The round's rules for the benchmark, a mini's parent included; None where the round does not have it."""
        return self.round.benchmarks.get(self.workload.benchmark.rules_as)

    @cached_property
    def categories(self) -> dict[str, CategoryRules]:
        """The categories in which the round has the benchmark at the target; empty where it does not have it."""
        return {} if self.benchmark is None else self.benchmark.categories_at(self.target)

    @cached_property
    def bounds(self) -> ScenarioRules:
        """The round's rules for the scenario."""
        return self.round.scenario(self.benchmark, self.scenario)


Check = Callable[[Case], "str | None"]
"""Returns what the rule asks and what the value is, as a sentence without its full stop, or None where it is kept."""


@attrs.frozen(kw_only=True)
class Rule:
    """One rule, and where it applies."""

    id: str
    path: str
    """Path of the value that it judges."""
    judges: Literal["cell", "values"]
    """A breach of a rule about the cell forbids the combination itself; one about values is cured by other values."""
    divisions: tuple[Division, ...] = BOTH_DIVISIONS
    scenarios: tuple[str, ...] = ()
    """Scenario options; empty: all."""
    check: Check
    reason: str
    """Why the rule exists, as a sentence."""
    citation: str
    """Where it is written; ``{rules}`` and the like stand for the round's sources."""

    def applies(self, division: str, scenario: str) -> bool:
        """Whether the rule is for a division and a scenario option."""
        return division in self.divisions and (not self.scenarios or scenario in self.scenarios)

    def breach(self, case: Case) -> Breach | None:
        """How ``case``, which the rule applies to, breaks it; None where it keeps it."""
        message = self.check(case)
        if message is None:
            return None
        return Breach(
            rule=self.id, path=self.path, message=message, reason=self.reason, citation=case.round.cite(self.citation)
        )
