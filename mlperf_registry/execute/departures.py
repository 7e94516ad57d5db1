"""Departures: where the settings that LoadGen's log says were in effect are not those that the run asked for.

A setting that does not reach LoadGen changes what a figure means, and nothing else would show it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlperf_registry.detail_log import DetailLog
from mlperf_registry.schema.run import LoadGenTest


def departures(log: DetailLog, test: LoadGenTest) -> tuple[str, ...]:
    """A sentence for each setting of ``test`` that the log contradicts or does not state."""
    different = [
        f"LoadGen ran with {key} = {log.values.get(key, 'unknown')}, and {wanted} was asked for"
        for key, wanted in _asked(test)
        if log.values.get(key) != wanted
    ]
    if test.mode == "PerformanceOnly" and test.settings.scenario == "Offline":
        # LoadGen makes one query of the count asked for, and a larger one where the rate asks for more.
        held, least = log.values.get("effective_min_sample_count", 0), test.settings.min_query_count
        if held < least:
            different.append(f"LoadGen ran with effective_min_sample_count = {held}, and {least} or more was asked for")
    return tuple(different)


def _asked(test: LoadGenTest) -> Iterator[tuple[str, str | int]]:
    settings = test.settings
    yield "effective_scenario", settings.scenario
    yield "effective_test_mode", test.mode
    yield "effective_qsl_rng_seed", settings.qsl_rng_seed
    yield "effective_sample_index_rng_seed", settings.sample_index_rng_seed
    yield "effective_schedule_rng_seed", settings.schedule_rng_seed
    yield "effective_performance_sample_count", settings.performance_sample_count_override
    if test.mode == "PerformanceOnly":
        yield "effective_min_duration_ms", settings.min_duration_ms
        if settings.scenario != "Offline":
            yield "effective_min_query_count", settings.min_query_count
