"""RunResult: result.json, the contract for scripts, CI and other people's tools."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.plan import Breach

RESULT_SCHEMA = 1
"""Version of result.json."""


@attrs.frozen(kw_only=True)
class Metric:
    """One figure."""

    name: str = knob("LoadGen's name, or ours for what the SUT measured.")
    value: float = knob("The figure; whole where LoadGen gives a count or nanoseconds.")
    unit: str = knob("Its unit.")


@attrs.frozen(kw_only=True)
class Accuracy:
    """What an accuracy run reached."""

    metric: str = knob("Metric that decides.")
    value: float = knob("Value reached.")
    target: float | None = knob("Value to reach; absent where no round gives one.", default=None)
    passed: bool = knob("Whether every bound holds whose metric was scored.")
    samples: int = knob("Samples scored.")
    unscored: tuple[str, ...] = knob(
        "Metrics that have a bound and were not scored here: such a result is not complete.", default=()
    )


@attrs.frozen(kw_only=True)
class EngineUsed:
    """The engine of a run."""

    key: str = knob("Engine key.")
    path: str = knob("Folder in the engine cache.")
    reused: bool = knob("Whether the cache had it.")


@attrs.frozen(kw_only=True)
class RunResult:
    """One finished run. The field names are fixed; see the contract for programs."""

    schema: int = knob("Version of this form.")
    run_id: str = knob("Unique id.")
    started: str = knob("UTC time, ISO 8601.")
    system: str = knob("System id.")
    benchmark: str = knob("Benchmark id.")
    mini: bool = knob("Whether it is a mini benchmark.")
    scenario: str = knob("Scenario.")
    accuracy_target: str = knob("0.99 or 0.999.")
    power_setting: str = knob("MaxP or MaxQ.")
    harness: str = knob("Harness variant.")
    backend: str = knob("Engine library.")
    mode: str = knob("explore, test_run, submission.")
    round: str = knob("Round whose rules hold.")
    tuned_round: str = knob("Round of the tuned values, or none.")
    derived_from: str | None = knob(
        "System whose tuned values were taken over, scaled; absent: they are its own, or there are none.", default=None
    )
    division: str = knob("closed or open.")
    category: str | None = knob("Category, where known.", default=None)
    weights: Literal["trained", "random"] = knob("Whether the weights are the trained ones.")
    config_digest: str = knob("SHA-256 of the canonical workload.")
    seeds: dict[str, int] = knob("qsl, sample_index, schedule.")
    valid: bool | None = knob(
        "LoadGen's word on the performance run under this plan's settings; absent without one.", default=None
    )
    reasons: tuple[str, ...] = knob(
        "LoadGen's reasons for INVALID, its error lines, and what else went wrong, in the accuracy run too."
    )
    remarks: tuple[str, ...] = knob(
        "What the backend has to say of how it ran: what was asked twice, what cannot be seen from outside.", default=()
    )
    rule_breaches: tuple[Breach, ...] = knob("Rules of the round that the plan, or the run itself, breaks.")
    submittable: bool = knob(
        "Whether this cell keeps the rules: valid, accurate, no breach, a full benchmark, trained weights."
    )
    still_needed: tuple[str, ...] = knob(
        "What a submission needs beside a cell that keeps the rules; the last names the page with the rest.", default=()
    )
    metrics: tuple[Metric, ...] = knob("Headline first.")
    latency: dict[str, float] | None = knob("Percentile to nanoseconds, from LoadGen's summary.", default=None)
    ttft: dict[str, float] | None = knob("The same of the time to first token, of token runs.", default=None)
    tpot: dict[str, float] | None = knob("The same of the time per output token.", default=None)
    ttft_limit: int | None = knob("What the p99 to the first token must keep, in Server.", unit="ns", default=None)
    tpot_limit: int | None = knob("What the p99 per output token must keep, in Server.", unit="ns", default=None)
    accuracy: Accuracy | None = knob("The accuracy run, where there was one.", default=None)
    engine: EngineUsed = knob("The engine.")
    versions: dict[str, str] = knob("Distribution to version.")
    host: dict[str, Any] = knob("Machine facts: cpu, cores, memory, os, python.")
    log_dir: str = knob("The run's folder.")
    report: str | None = knob("The HTML report.", default=None)

    @property
    def good(self) -> bool:
        """Whether it counts: nothing INVALID, nothing gone wrong, and accuracy met where it was measured."""
        accurate = self.accuracy is None or self.accuracy.passed
        return self.valid is not False and accurate and not self.reasons
