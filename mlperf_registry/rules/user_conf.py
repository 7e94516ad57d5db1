"""user.conf: the part of a plan's settings that MLCommons lets a submitter write, in LoadGen's own form.

Our child sets every field directly and never reads the file; it lies beside a result because a submission must have it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlperf_registry.rules.round import load_round
from mlperf_registry.schema.plan import LoadGenSettings, Plan


def user_conf(plan: Plan) -> str:
    """The file's text: the scenario's rate or expected latency, and what else differs from mlperf.conf.

    A rate that is still to be measured is left out: write the file from the plan that the probe has completed.

    Raises:
        ConfigError: when there is no round of the plan's name.
    """
    settings = plan.performance
    lines = [f"*.{settings.scenario}.{key} = {value}" for key, value in _owned(settings)]
    lines += [f"*.{scope}.{key} = {value}" for scope, key, value in _departures(plan)]
    return "".join(f"{line}\n" for line in lines)


def _owned(settings: LoadGenSettings) -> Iterator[tuple[str, str]]:
    values = {
        "Offline": ("target_qps", settings.offline_expected_qps, 1),
        "Server": ("target_qps", settings.server_target_qps, 1),
        "SingleStream": ("target_latency", settings.single_stream_expected_latency_ns, 1e6),
        "MultiStream": ("target_latency", settings.multi_stream_expected_latency_ns, 1e6),
    }
    key, value, scale = values[settings.scenario]
    if value is not None:
        yield key, _decimal(value / scale)


def _departures(plan: Plan) -> Iterator[tuple[str, str, int]]:
    settings, workload = plan.performance, plan.workload
    round_ = load_round(workload.round)
    benchmark = round_.benchmarks.get(workload.benchmark.rules_as)
    rules = round_.scenario(benchmark, workload.cell.scenario)
    if settings.min_duration_ms != rules.min_duration:
        yield settings.scenario, "min_duration", settings.min_duration_ms
    if settings.max_duration_ms:
        yield settings.scenario, "max_duration", settings.max_duration_ms
    if settings.min_query_count != rules.min_query_count:
        yield settings.scenario, "min_query_count", settings.min_query_count
    if settings.max_query_count:
        yield settings.scenario, "max_query_count", settings.max_query_count
    if benchmark is None or settings.performance_sample_count_override != benchmark.performance_sample_count:
        yield "*", "performance_sample_count_override", settings.performance_sample_count_override


def _decimal(value: float) -> str:
    # LoadGen reads no exponents.
    return f"{value:.9f}".rstrip("0").rstrip(".")
