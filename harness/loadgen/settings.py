"""LoadGenSettings to LoadGen's own TestSettings and LogSettings, every field set directly.

LoadGen's ``FromConfig`` works once per process and is silent about typos; a test compares with what it gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.loadgen.binding import DISTRIBUTION, loadgen
from mlperf_registry.schema.plan import RATE_FIELD, LoadGenSettings
from mlperf_registry.schema.problem import NotReady, RunFailed
from mlperf_registry.schema.run import LoadGenMode

_SAME_NAME = (
    "server_target_latency_ns",
    "server_target_latency_percentile",
    "server_coalesce_queries",
    "single_stream_target_latency_percentile",
    "multi_stream_target_latency_percentile",
    "multi_stream_samples_per_query",
    "min_duration_ms",
    "max_duration_ms",
    "min_query_count",
    "max_query_count",
    "qsl_rng_seed",
    "sample_index_rng_seed",
    "schedule_rng_seed",
    "accuracy_log_rng_seed",
    "sample_concatenate_permutation",
    "performance_sample_count_override",
    "use_token_latencies",
    "infer_token_latencies",
    "token_latency_scaling_factor",
)
_OTHER_NAME = {"ttft_latency_ns": "ttft_latency", "tpot_latency_ns": "tpot_latency"}

_NOT_RUN = {
    "offline_expected_qps": 1.0,
    "server_target_qps": 1.0,
    "single_stream_expected_latency_ns": 10_000_000,
    "multi_stream_expected_latency_ns": 80_000_000,
}
"""What mlperf.conf gives the scenarios that are not run; LoadGen does not look at it."""


def make_test_settings(settings: LoadGenSettings, mode: LoadGenMode) -> Any:
    """``mlperf_loadgen.TestSettings``. Expectations of other scenarios than the run's may stay unset.

    Raises:
        RunFailed: when the scenario's own rate or latency is not known yet.
        NotReady: when LoadGen is not installed, or too old for a setting.
    """
    lg = loadgen()
    made = lg.TestSettings()
    made.scenario = getattr(lg.TestScenario, settings.scenario)
    made.mode = getattr(lg.TestMode, mode)
    for name in _SAME_NAME:
        setattr(made, name, getattr(settings, name))
    for name, loadgen_name in _OTHER_NAME.items():
        setattr(made, loadgen_name, getattr(settings, name))
    for scenario, name in RATE_FIELD.items():
        value = getattr(settings, name)
        if value is None and scenario == settings.scenario:
            raise RunFailed(f"{name} is not known. Set loadgen.{name}, or fill it from the probe before the run.")
        setattr(made, name, _NOT_RUN[name] if value is None else value)
    if settings.accuracy_sample_count_override:
        if not hasattr(made, "accuracy_sample_count_override"):
            raise NotReady(f"This LoadGen cannot limit an accuracy run: pip install '{DISTRIBUTION}>=6.0'")
        made.accuracy_sample_count_override = settings.accuracy_sample_count_override
    return made


def make_log_settings(folder: Path, *, enable_trace: bool) -> Any:
    """``mlperf_loadgen.LogSettings``: logs go to ``folder`` and nowhere else."""
    lg = loadgen()
    output = lg.LogOutputSettings()
    output.outdir = str(folder)
    output.copy_detail_to_stdout = False
    output.copy_summary_to_stdout = False
    made = lg.LogSettings()
    made.log_output = output
    made.enable_trace = enable_trace
    return made
