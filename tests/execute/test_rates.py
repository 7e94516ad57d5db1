"""Rates: measured only where the configuration leaves them out, and never in a submission."""

from __future__ import annotations

import pytest

from mlperf_registry.execute.rates import missing_rate, refuse_missing_rate, with_measured_rate
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.problem import ConfigError

PROBE = {"samples_per_second": 1000.0, "latency_ns": 2_000_000, "multi_stream_latency_ns": 9_000_000}


def settings(scenario, **values):
    return LoadGenSettings(
        scenario=scenario,
        min_duration_ms=1,
        min_query_count=1,
        qsl_rng_seed=1,
        sample_index_rng_seed=1,
        schedule_rng_seed=1,
        performance_sample_count_override=1,
        **values,
    )


@pytest.mark.parametrize(
    ("scenario", "field"),
    [
        ("Offline", "offline_expected_qps"),
        ("Server", "server_target_qps"),
        ("SingleStream", "single_stream_expected_latency_ns"),
        ("MultiStream", "multi_stream_expected_latency_ns"),
    ],
)
def test_each_scenario_lacks_one_value_and_the_probe_fills_it(scenario, field):
    bare = settings(scenario)
    assert missing_rate(bare) == field
    assert missing_rate(with_measured_rate(bare, PROBE)) is None
    with pytest.raises(ConfigError, match=f"loadgen.{field}"):
        refuse_missing_rate(bare)


def test_a_given_rate_is_left_alone():
    given = settings("Server", server_target_qps=7.0)
    assert with_measured_rate(given, PROBE) == given
    refuse_missing_rate(given)
