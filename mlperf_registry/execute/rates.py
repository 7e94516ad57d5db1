"""The rates that LoadGen sizes a run by, measured where the configuration leaves them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from mlperf_registry.schema.plan import RATE_FIELD, LoadGenScenario, LoadGenSettings, Plan
from mlperf_registry.schema.problem import Problem

if TYPE_CHECKING:
    from mlperf_registry.detail_log import DetailLog

SERVER_SHARE = 0.4
"""Share of the measured Offline rate that an untuned Server run aims at: meant to be met, not to be the best."""
OFFLINE_MARGIN = 1.3
"""A query sized too small ends before the minimum duration and is INVALID; the probe may have met other load."""
REPEAT_MARGIN = 2.0
"""Of the rate that a run reached which was too short, and so is known less well; there is no third attempt."""
SERVER_CAP = 20_000.0
"""Rate in queries/s that our own SUT is held to; an engine that answers at once must not set a rate beyond LoadGen."""
LATENCY_SHARE = 0.5
"""LoadGen makes its queries beforehand by the expected latency, and a run that uses them up is INVALID."""

_UNHEEDED = {
    "offline_expected_qps": 1.0,
    "single_stream_expected_latency_ns": 10_000_000,
    "multi_stream_expected_latency_ns": 80_000_000,
}
"""What mlperf.conf says of these. LoadGen wants a value, and an accuracy run issues the whole set whatever it is."""


def missing_rate(plan: Plan) -> str | None:
    """The field that must be measured first; None where the configuration gives it, or no test of the plan needs it."""
    field = RATE_FIELD[plan.performance.scenario]
    mode = plan.workload.test_mode
    needed = []
    if mode != "AccuracyOnly":
        needed.append(plan.performance)
    if mode != "PerformanceOnly" and plan.accuracy.scenario == "Server":  # the one that paces its accuracy run too
        needed.append(plan.accuracy)
    return field if any(getattr(settings, field) is None for settings in needed) else None


def rate_problem(plan: Plan) -> Problem | None:
    """What is wrong with a submission that does not state its own rate; None where it does, or needs none."""
    field = missing_rate(plan)
    if field is None:
        return None
    return Problem(
        f"loadgen.{field}",
        "a submission states its own rate, and nothing sets it",
        hint="run once with mode=explore, which measures it, then set it",
    )


def with_measured_rate(settings: LoadGenSettings, probe: dict[str, Any]) -> LoadGenSettings:
    """``settings`` with a rate of None filled in from a ``probe`` event."""
    field = RATE_FIELD[settings.scenario]
    if getattr(settings, field) is not None:
        return settings
    measured: dict[LoadGenScenario, Callable[[], float]] = {
        "Offline": lambda: round(OFFLINE_MARGIN * probe["peak_samples_per_second"], 3),
        "Server": lambda: round(min(SERVER_SHARE * probe["samples_per_second"], SERVER_CAP), 3),
        "SingleStream": lambda: int(LATENCY_SHARE * probe["latency_ns"]),
        "MultiStream": lambda: int(LATENCY_SHARE * probe["multi_stream_latency_ns"]),
    }
    filled: dict[str, Any] = {field: measured[settings.scenario]()}
    return attrs.evolve(settings, **filled)


def with_observed_rate(plan: Plan, log: DetailLog) -> Plan | None:
    """``plan`` with the rate that its Offline performance run reached; None where that would not make it valid.

    Only a run that was sound but too short is worth another: the probe saw the engine slower than it is.
    """
    seen = log.values.get("result_samples_per_second")
    too_short = log.values.get("result_min_duration_met") is False
    if (
        plan.performance.scenario != "Offline"
        or log.validity != "INVALID"
        or not too_short
        or log.values.get("result_min_queries_met") is False
        or not isinstance(seen, (int, float))
    ):
        return None
    rate = round(REPEAT_MARGIN * seen, 3)
    return attrs.evolve(plan, performance=attrs.evolve(plan.performance, offline_expected_qps=rate))


def with_some_rate(settings: LoadGenSettings) -> LoadGenSettings:
    """``settings`` of an accuracy run with a rate of None filled in where LoadGen does not heed it."""
    field = RATE_FIELD[settings.scenario]
    if getattr(settings, field) is not None or field not in _UNHEEDED:
        return settings
    filled: dict[str, Any] = {field: _UNHEEDED[field]}
    return attrs.evolve(settings, **filled)
