"""Length: as many samples as LoadGen's own log says it made, for settings that it ran with."""

from __future__ import annotations

import pytest

from mlperf_registry.execute.length import Length, length_of
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.run import LoadGenTest


def a_test(mode="PerformanceOnly", **settings):
    seeds = dict.fromkeys(("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"), 1)
    return LoadGenTest(mode=mode, settings=LoadGenSettings(**seeds, **settings), log_dir="logs")


@pytest.mark.parametrize(
    ("settings", "held", "made"),
    [
        # From tests/data/logs, as generated_query_count and generated_samples_per_query have it.
        ({"scenario": "Offline", "offline_expected_qps": 3000.0, "min_duration_ms": 300}, 16, 992),
        ({"scenario": "Server", "server_target_qps": 2000.0, "min_duration_ms": 300, "min_query_count": 700}, 16, 704),
        (
            {"scenario": "SingleStream", "single_stream_expected_latency_ns": 625_866_000, "min_query_count": 100},
            16,
            112,
        ),
        ({"scenario": "SingleStream", "single_stream_expected_latency_ns": 486_816_000, "min_query_count": 8}, 8, 48),
    ],
)
def test_equal_issue_makes_whole_rounds(settings, held, made):
    settings = {"min_duration_ms": 10_000, "min_query_count": 1, **settings}
    test = a_test(sample_concatenate_permutation=True, performance_sample_count_override=held, **settings)
    assert length_of(test, None) == Length(settings["min_duration_ms"] / 1000, made)


def test_samples_are_counted_not_queries():
    test = a_test(
        scenario="MultiStream", min_duration_ms=2000, min_query_count=662, performance_sample_count_override=16
    )
    assert length_of(test, None) == Length(2.0, 8 * 662)


def test_max_query_count_ends_a_test_sooner():
    test = a_test(
        scenario="Server",
        min_duration_ms=2000,
        min_query_count=662,
        max_query_count=100,
        performance_sample_count_override=16,
    )
    assert length_of(test, None).samples == 100


@pytest.mark.parametrize(("override", "set_size", "samples"), [(0, 240, 240), (7, 240, 7), (0, None, 0)])
def test_an_accuracy_test_takes_every_sample_however_long(override, set_size, samples):
    test = a_test(
        "AccuracyOnly",
        scenario="Offline",
        min_duration_ms=60_000,
        min_query_count=9,
        accuracy_sample_count_override=override,
        performance_sample_count_override=16,
    )
    assert length_of(test, set_size) == Length(0.0, samples)
