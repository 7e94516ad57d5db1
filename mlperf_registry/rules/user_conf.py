"""user.conf: a plan's settings that are not those of LoadGen's mlperf.conf, in LoadGen's own form.

Our child sets every field directly and never reads the file; it lies beside a result because a submission must have it.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from mlperf_registry.rules.round import load_round
from mlperf_registry.rules.settings import performance_settings
from mlperf_registry.schema.plan import RATE_FIELD, LoadGenScenario, Plan
from mlperf_registry.schema.sections import LoadGen

_MS = 1e6
_PERCENT = 0.01

_RATE_KEY: dict[LoadGenScenario, tuple[str, float]] = {
    "Offline": ("target_qps", 1),
    "Server": ("target_qps", 1),
    "SingleStream": ("target_latency", _MS),
    "MultiStream": ("target_latency", _MS),
}
"""LoadGen's scenario to the key of its rate or expected latency, and to how much of ours one of its units is."""

_ANY: dict[str, tuple[str, float]] = {
    "min_duration_ms": ("min_duration", 1),
    "max_duration_ms": ("max_duration", 1),
    "min_query_count": ("min_query_count", 1),
    "max_query_count": ("max_query_count", 1),
    "use_token_latencies": ("use_token_latencies", 1),
    "accuracy_log_rng_seed": ("accuracy_log_rng_seed", 1),
}
_OF_SCENARIO: dict[LoadGenScenario, dict[str, tuple[str, float]]] = {
    "Offline": {},
    "Server": {
        "server_target_latency_ns": ("target_latency", _MS),
        "server_target_latency_percentile": ("target_latency_percentile", _PERCENT),
        "server_coalesce_queries": ("coalesce_queries", 1),
        "ttft_latency_ns": ("ttft_latency", _MS),
        "tpot_latency_ns": ("tpot_latency", _MS),
    },
    "SingleStream": {"single_stream_target_latency_percentile": ("target_latency_percentile", _PERCENT)},
    "MultiStream": {
        "multi_stream_target_latency_percentile": ("target_latency_percentile", _PERCENT),
        "multi_stream_samples_per_query": ("samples_per_query", 1),
    },
}
"""Setting to key and scale, as above: all that a workload may set and LoadGen reads from the file; no round's seed."""


def user_conf(plan: Plan) -> str:
    """The file's text: the scenario's rate or expected latency, and what else differs from mlperf.conf.

    A rate that is still to be measured is left out: write the file from the plan that the probe has completed.

    Raises:
        ConfigError: when there is no round of the plan's name.
    """
    lines = (f"*.{scope}.{key} = {value}\n" for scope, key, value in (*_owned(plan), *_departures(plan)))
    return "".join(lines)


def _owned(plan: Plan) -> Iterator[tuple[str, str, str]]:
    scenario = plan.performance.scenario
    key, scale = _RATE_KEY[scenario]
    value = getattr(plan.performance, RATE_FIELD[scenario])
    if value is not None:
        yield scenario, key, _decimal(value, scale)


def _departures(plan: Plan) -> Iterator[tuple[str, str, str]]:
    settings, workload = plan.performance, plan.workload
    round_ = load_round(workload.round)
    unasked = performance_settings(attrs.evolve(workload, loadgen=LoadGen()), round_)
    for setting, (key, scale) in {**_ANY, **_OF_SCENARIO[settings.scenario]}.items():
        value = getattr(settings, setting)
        if value != getattr(unasked, setting):
            yield settings.scenario, key, _decimal(value, scale)
    benchmark = round_.benchmarks.get(workload.benchmark.rules_as)
    held = settings.performance_sample_count_override
    if benchmark is None or held != benchmark.performance_sample_count:
        yield "*", "performance_sample_count_override", str(held)


def _decimal(value: float, scale: float) -> str:
    if isinstance(value, int) and scale == 1:
        return str(int(value))  # of a switch, too
    # LoadGen reads no exponents, and only the whole milliseconds of a bound; the file has what our child really sets.
    return f"{value / scale:.9f}".rstrip("0").rstrip(".")
