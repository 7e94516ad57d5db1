"""Plan: a workload that the rules of its round have been read to, with every LoadGen setting resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.workload import Workload

LoadGenScenario = Literal["Offline", "Server", "SingleStream", "MultiStream"]

RATE_FIELD: dict[LoadGenScenario, str] = {
    "Offline": "offline_expected_qps",
    "Server": "server_target_qps",
    "SingleStream": "single_stream_expected_latency_ns",
    "MultiStream": "multi_stream_expected_latency_ns",
}
"""LoadGen's scenario to the one rate or expected latency that sizes or paces its runs."""


@attrs.frozen(kw_only=True)
class LoadGenSettings:
    """LoadGen's TestSettings, complete; names and units are LoadGen's own (percentiles are shares of 1).

    Interactive is LoadGen's Server. A rate or expected latency of None is measured by the probe before the run.
    """

    scenario: LoadGenScenario = knob("LoadGen's scenario.")
    offline_expected_qps: float | None = knob("Sizes the Offline query.", unit="samples/s", default=None)
    server_target_qps: float | None = knob("Arrival rate.", unit="queries/s", default=None)
    server_target_latency_ns: int = knob(
        "Latency bound; 0 where token latencies decide.", unit="ns", unit_in_name=True, default=100_000_000
    )
    server_target_latency_percentile: float = knob("Share of queries within the bound.", default=0.99)
    server_coalesce_queries: bool = knob("Hand over all due queries in one call.", default=False)
    single_stream_expected_latency_ns: int | None = knob(
        "Sizes the list of queries.", unit="ns", unit_in_name=True, default=None
    )
    single_stream_target_latency_percentile: float = knob("Reported percentile.", default=0.9)
    multi_stream_expected_latency_ns: int | None = knob(
        "Sizes the list of queries.", unit="ns", unit_in_name=True, default=None
    )
    multi_stream_target_latency_percentile: float = knob("Reported percentile.", default=0.99)
    multi_stream_samples_per_query: int = knob("Samples per query.", default=8)
    min_duration_ms: int = knob("Shortest run.", unit="ms", unit_in_name=True)
    max_duration_ms: int = knob("Stop issuing after; 0: never.", unit="ms", unit_in_name=True, default=0)
    min_query_count: int = knob("Fewest queries.")
    max_query_count: int = knob("Most queries; 0: no limit.", default=0)
    qsl_rng_seed: int = knob("Seed of the samples held.")
    sample_index_rng_seed: int = knob("Seed of the order of samples.")
    schedule_rng_seed: int = knob("Seed of the arrival times.")
    accuracy_log_rng_seed: int = knob("Seed of the responses of a performance run to log.", default=0)
    sample_concatenate_permutation: bool = knob("Equal issue.", default=False)
    performance_sample_count_override: int = knob("Samples held in memory.")
    accuracy_sample_count_override: int = knob("Samples of the accuracy run; 0: all.", default=0)
    use_token_latencies: bool = knob("TTFT and TPOT decide.", default=False)
    ttft_latency_ns: int = knob("Bound on time to first token.", unit="ns", unit_in_name=True, default=100_000_000)
    tpot_latency_ns: int = knob("Bound on time per output token.", unit="ns", unit_in_name=True, default=100_000_000)
    infer_token_latencies: bool = knob("Scale sample latencies to tokens (gptj).", default=False)
    token_latency_scaling_factor: int = knob("Tokens per sample for the scaling.", default=0)
    enable_trace: bool = knob("Write LoadGen's trace.", default=False)


@attrs.frozen(kw_only=True)
class AccuracyBound:
    """What one metric must reach."""

    metric: str = knob("Name as the round's data spells it.")
    min: float | None = knob("Lowest passing value.", default=None)
    max: float | None = knob("Highest passing value.", default=None)

    def kept_by(self, values: Mapping[str, float]) -> bool | None:
        """Whether the scores of a log, by metric, keep it; None where the metric was not scored."""
        value = values.get(self.metric)
        if value is None:
            return None
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@attrs.frozen(kw_only=True)
class Breach:
    """A rule of the round that the workload does not keep."""

    rule: str = knob("Id of the rule.")
    path: str = knob("Path of the value at fault.")
    message: str = knob("What the rule asks, and what the value is.")
    reason: str = knob("Why the rule exists.")
    citation: str = knob("Where it is written.")

    def __str__(self) -> str:
        return f"{self.path}: {self.message} [rule {self.rule}: {self.reason} Source: {self.citation}]"


@attrs.frozen(kw_only=True)
class Plan:
    """What is to be run, as a value."""

    workload: Workload = knob("The typed configuration.")
    performance: LoadGenSettings = knob("Settings of the performance run.")
    accuracy: LoadGenSettings = knob("Settings of the accuracy run.")
    accuracy_bounds: tuple[AccuracyBound, ...] = knob("What accuracy must reach.")
    breaches: tuple[Breach, ...] = knob("Rules that are not kept.", default=())
