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
    counted = _counted(test)
    if counted is not None:
        held, least = log.values.get(counted, 0), test.settings.min_query_count
        if held < least:
            different.append(f"LoadGen ran with {counted} = {held}, and {least} or more was asked for")
    return tuple(different)


def _counted(test: LoadGenTest) -> str | None:
    """The key of a count that LoadGen raises by itself, for which more than was asked for is right.

    Offline makes one query of what the rate asks for. With equal issue LoadGen makes whole rounds over the samples, as
    many as the rate and the duration ask for.
    """
    if test.mode != "PerformanceOnly":
        return None
    if test.settings.scenario == "Offline":
        return "effective_min_sample_count"
    return "effective_min_query_count" if test.settings.sample_concatenate_permutation else None


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
        yield "effective_sample_concatenate_permutation", settings.sample_concatenate_permutation
        if _counted(test) is None:
            yield "effective_min_query_count", settings.min_query_count
