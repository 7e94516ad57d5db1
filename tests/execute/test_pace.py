"""Pace: a rate that neither jumps with each heartbeat nor remembers the beginning."""

from __future__ import annotations

import pytest

from mlperf_registry.execute.pace import Pace


def rates(counts, every=0.5):
    pace = Pace()
    return [pace.at(every * beat, count) for beat, count in enumerate(counts, 1)]


def test_a_slow_engine_has_one_rate():
    # An answer every 0.7 s: what half a second saw of it was 0 or 2.
    told = rates([int(0.5 * beat / 0.7) for beat in range(1, 200)])
    assert all(1.2 < rate < 1.7 for rate in told[20:])


def test_a_fast_engine_is_shown_by_its_last_seconds():
    told = rates([500 * beat for beat in range(1, 21)] + [10_000] * 20)
    assert told[19] == pytest.approx(1000)
    assert told[24] == pytest.approx(500)
    assert told[-1] < 500, "an engine that stands still loses its rate"


def test_what_was_before_does_not_count():
    pace = Pace(500)
    assert pace.at(0.0, 500) == 0
    assert pace.at(0.5, 550) == 100
