"""What LoadGen is told: rates, latencies, durations, counts and seeds.

A field left out takes the round's value, or is measured by the probe.
"""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.applicability import MULTISTREAM, OFFLINE, SERVER, SINGLESTREAM, TENSORRT, TOKENS
from mlperf_registry.schema.knob import Applies, above, between, knob
from mlperf_registry.schema.sections.builder import DLA

TestMode = Literal["SubmissionRun", "PerformanceOnly", "AccuracyOnly"]

_OFFLINE = Applies(scenarios=OFFLINE)
_SERVER = Applies(scenarios=SERVER)
_SINGLESTREAM = Applies(scenarios=SINGLESTREAM)
_MULTISTREAM = Applies(scenarios=MULTISTREAM)
_TOKENS_SERVED = Applies(benchmarks=TOKENS, scenarios=SERVER)
_SOC_OFFLINE = Applies(benchmarks=DLA.benchmarks, scenarios=OFFLINE, backends=TENSORRT)
_SOC_MULTISTREAM = Applies(benchmarks=DLA.benchmarks, scenarios=MULTISTREAM, backends=TENSORRT)


@attrs.frozen(kw_only=True)
class LoadGen:
    """What LoadGen is told. A field left out takes the round's value, or is measured by the probe."""

    test_mode: TestMode = knob(
        "PerformanceOnly, AccuracyOnly, or SubmissionRun for both, each in a folder of its own.",
        default="SubmissionRun",
    )
    offline_expected_qps: float | None = knob(
        "Rate of the whole system that sizes the Offline query.",
        unit="samples/s",
        check=above(0, bounds.RATE),
        applies=_OFFLINE,
        scales="rate",
        default=None,
    )
    dla_offline_expected_qps: float | None = knob(
        "Expected Offline rate of one DLA, in rounds v0.7 and v1.0.",
        unit="samples/s",
        check=above(0, bounds.RATE),
        applies=_SOC_OFFLINE,
        scales="dla",
        default=None,
    )
    concurrent_offline_expected_qps: float | None = knob(
        "Expected Offline rate of GPU and DLAs together, in rounds v0.7 and v1.0.",
        unit="samples/s",
        check=above(0, bounds.RATE),
        applies=_SOC_OFFLINE,
        scales="rate",
        default=None,
    )
    server_target_qps: float | None = knob(
        "Mean arrival rate in Server and Interactive, for the whole system.",
        unit="queries/s",
        check=above(0, bounds.RATE),
        applies=_SERVER,
        scales="rate",
        default=None,
    )
    server_target_qps_adj_factor: float | None = knob(
        "Factor on the arrival rate, for compliance tests that cannot keep up with it.",
        check=above(0),
        applies=_SERVER,
        default=None,
    )
    accuracy_server_target_qps: float | None = knob(
        "Arrival rate of Server accuracy runs, which LoadGen paces too; absent: the target rate.",
        unit="queries/s",
        check=above(0, bounds.RATE),
        applies=_SERVER,
        scales="rate",
        default=None,
    )
    server_target_latency_ns: int | None = knob(
        "Latency bound in Server; absent: the round's.",
        unit="ns",
        unit_in_name=True,
        check=between(1, bounds.NANOSECONDS),
        applies=_SERVER,
        default=None,
    )
    server_target_latency_percentile: float | None = knob(
        "Percentile of queries that the bound holds for.",
        unit="%",
        check=between(0, 100),
        applies=_SERVER,
        default=None,
    )
    server_coalesce_queries: bool = knob(
        "Let LoadGen hand over all queries that are due in one call.", applies=_SERVER, default=False
    )
    server_num_issue_query_threads: int | None = knob(
        "Threads of LoadGen that issue queries; 0: its own thread alone.",
        unit="threads",
        check=between(0, bounds.THREADS),
        applies=_SERVER,
        default=None,
    )
    single_stream_expected_latency_ns: int | None = knob(
        "Expected latency of a query; LoadGen sizes its list of queries by it.",
        unit="ns",
        unit_in_name=True,
        check=between(1, bounds.NANOSECONDS),
        applies=_SINGLESTREAM,
        default=None,
    )
    single_stream_target_latency_percentile: float | None = knob(
        "Percentile reported in SingleStream; absent: the round's.",
        unit="%",
        check=between(0, 100),
        applies=_SINGLESTREAM,
        default=None,
    )
    multi_stream_expected_latency_ns: int | None = knob(
        "Expected latency of a query of several samples.",
        unit="ns",
        unit_in_name=True,
        check=between(1, bounds.NANOSECONDS),
        applies=_MULTISTREAM,
        default=None,
    )
    multi_stream_target_latency_percentile: float | None = knob(
        "Percentile reported in MultiStream; absent: the round's.",
        unit="%",
        check=between(0, 100),
        applies=_MULTISTREAM,
        default=None,
    )
    multi_stream_samples_per_query: int | None = knob(
        "Samples in a MultiStream query; absent: the round's.",
        unit="samples",
        check=between(1, bounds.BATCH),
        applies=_MULTISTREAM,
        scales="rate",
        default=None,
    )
    dla_multi_stream_samples_per_query: int | None = knob(
        "Samples in a MultiStream query of a DLA alone, in rounds v0.7 and v1.0.",
        unit="samples",
        check=between(1, bounds.BATCH),
        applies=_SOC_MULTISTREAM,
        scales="dla",
        default=None,
    )
    concurrent_multi_stream_samples_per_query: int | None = knob(
        "Samples in a MultiStream query of GPU and DLAs together, in rounds v0.7 and v1.0.",
        unit="samples",
        check=between(1, bounds.BATCH),
        applies=_SOC_MULTISTREAM,
        scales="rate",
        default=None,
    )
    use_token_latencies: bool | None = knob(
        "Judge by latencies of tokens; absent: as the round has it.",
        applies=Applies(benchmarks=TOKENS),
        default=None,
    )
    ttft_latency_ns: int | None = knob(
        "Bound on time to first token; absent: the round's.",
        unit="ns",
        unit_in_name=True,
        check=between(1, bounds.NANOSECONDS),
        applies=_TOKENS_SERVED,
        default=None,
    )
    tpot_latency_ns: int | None = knob(
        "Bound on time per output token; absent: the round's.",
        unit="ns",
        unit_in_name=True,
        check=between(1, bounds.NANOSECONDS),
        applies=_TOKENS_SERVED,
        default=None,
    )
    min_duration: int | None = knob(
        "Shortest run that counts; absent: the round's.", unit="ms", check=between(1, bounds.MILLISECONDS), default=None
    )
    max_duration: int | None = knob(
        "LoadGen stops issuing after this time.", unit="ms", check=between(1, bounds.MILLISECONDS), default=None
    )
    min_query_count: int | None = knob(
        "Fewest queries; absent: the round's.", unit="queries", check=between(1, bounds.COUNT), default=None
    )
    max_query_count: int | None = knob("Most queries.", unit="queries", check=between(1, bounds.COUNT), default=None)
    performance_sample_count_override: int | None = knob(
        "Samples held in memory for performance runs; absent: the round's, or the whole set if smaller.",
        unit="samples",
        check=between(1, bounds.SAMPLES_HELD),
        default=None,
    )
    qsl_rng_seed: int | None = knob(
        "Seed of the samples held; absent: the round's.", check=between(0, bounds.SEED), default=None
    )
    sample_index_rng_seed: int | None = knob(
        "Seed of the order of samples; absent: the round's.", check=between(0, bounds.SEED), default=None
    )
    schedule_rng_seed: int | None = knob(
        "Seed of the arrival times; absent: the round's.", check=between(0, bounds.SEED), applies=_SERVER, default=None
    )
    accuracy_log_rng_seed: int | None = knob(
        "Seed that picks the responses of a performance run to log, none but in a compliance test; absent: 0.",
        check=between(0, bounds.SEED),
        default=None,
    )
    log_enable_trace: bool = knob("Write LoadGen's trace; costs a factor of four at high rates.", default=False)
