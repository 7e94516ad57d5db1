"""Length: what a LoadGen test lasts at least, in seconds and in samples: it ends when it has had both."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.plan import RATE_FIELD, LoadGenSettings
from mlperf_registry.schema.run import LoadGenTest

_OFFLINE_SLACK = 1.1
_EQUAL_ISSUE_SLACK = 2.0
"""LoadGen's own: so much more than the rate and the duration ask for."""


@attrs.frozen
class Length:
    """What a test lasts at least; 0 where there is no such limit, or nobody knows it."""

    seconds: float
    samples: int

    def share(self, elapsed: float, completed: int) -> float | None:
        """How much of the test is over after ``elapsed`` seconds, of 1; None where there is no limit."""
        shares = [have / least for have, least in ((elapsed, self.seconds), (completed, self.samples)) if least > 0]
        return min(1.0, *shares) if shares else None


def length_of(test: LoadGenTest, set_size: int | None) -> Length:
    """How long ``test`` lasts.

    Args:
        test: with every rate set that its scenario needs.
        set_size: samples of the whole data set, where somebody counted.
    """
    settings = test.settings
    if test.mode == "AccuracyOnly":
        return Length(0.0, settings.accuracy_sample_count_override or set_size or 0)
    return Length(settings.min_duration_ms / 1000, _least_samples(settings))


def _least_samples(settings: LoadGenSettings) -> int:
    # As LoadGen counts; with equal issue it makes whole rounds over the samples that it holds.
    queries = settings.min_query_count
    if settings.scenario == "Offline":
        queries = max(queries, _expected(settings, _OFFLINE_SLACK))
    if settings.sample_concatenate_permutation and (held := settings.performance_sample_count_override):
        if settings.scenario == "SingleStream":
            queries = max(queries, _expected(settings, _EQUAL_ISSUE_SLACK)) + 1
        queries = -(-queries // held) * held
    if settings.scenario != "Offline" and settings.max_query_count:
        queries = min(queries, settings.max_query_count)
    return queries * (settings.multi_stream_samples_per_query if settings.scenario == "MultiStream" else 1)


def _expected(settings: LoadGenSettings, slack: float) -> int:
    value: float | None = getattr(settings, RATE_FIELD[settings.scenario])
    rate = 0.0 if not value else 1e9 / value if settings.scenario == "SingleStream" else value
    return int(slack * rate * settings.min_duration_ms / 1000)
