"""Axes have round ticks inside their ends, and labels do not overlap."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.report import svg
from mlperf_registry.report.svg import (
    Marker,
    bars,
    figure,
    log_ticks,
    nines_axis,
    round_ticks,
    time_axis,
    value_axis,
    values_axis,
)

SPANS = st.tuples(st.floats(0, 1e12), st.floats(1e-4, 1e6)).map(
    lambda pair: (pair[0], pair[0] + max(pair[0], 1) * pair[1])
)


@given(SPANS, st.integers(2, 12))
def test_ticks_lie_within_the_axis_and_are_few(span: tuple[float, float], about: int) -> None:
    low, high = span
    ticks = round_ticks(low, high, about)
    slack = (high - low) * 1e-6
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= about + 1
    assert list(ticks) == sorted(set(ticks))


def test_ticks_are_round() -> None:
    assert round_ticks(0, 10, 5) == (0, 2, 4, 6, 8, 10)
    assert round_ticks(0, 97, 4) == (0, 25, 50, 75)
    assert round_ticks(3, 3, 5) == (3,)


@given(st.floats(1, 1e6), st.floats(1.5, 1e8))
def test_log_ticks_lie_within_the_axis(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio, 7)
    assert all(low * (1 - 1e-6) <= tick <= low * ratio * (1 + 1e-6) for tick in ticks)
    assert len(ticks) <= 9


def test_log_ticks_fill_few_decades_and_thin_out_over_many() -> None:
    assert log_ticks(1e6, 1e8, 7) == pytest.approx([1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8])
    assert log_ticks(1, 1e12, 7) == pytest.approx([10.0**d for d in range(0, 13, 2)])


def test_a_linear_time_axis_has_one_unit_and_a_log_axis_one_per_tick() -> None:
    axis = time_axis(0, 12_000_000, "latency")
    assert axis.title == "latency (ms)"
    assert [label for _, label in axis.ticks] == ["0", "2", "4", "6", "8", "10", "12"]
    assert {label for _, label in time_axis(1e5, 1e7, "latency", log=True).ticks} >= {"100 µs", "1 ms", "10 ms"}


def test_a_value_axis_ends_at_a_round_value_above_the_highest() -> None:
    axis = value_axis(2236.0, "samples/s")
    assert axis.high == 2500
    assert value_axis(0, "samples").high > 0


def test_percentile_ticks_are_named_by_their_nines() -> None:
    assert [label for _, label in nines_axis(3.5).ticks] == ["p0", "p50", "p90", "p99", "p99.9"]


def test_swept_values_are_their_own_ticks_and_go_log_when_they_span_much() -> None:
    assert not values_axis([1, 2, 3], "x", ["1", "2", "3"]).log
    axis = values_axis([1, 2, 4, 64], "x", ["1", "2", "4", "64"])
    assert axis.log
    assert [label for _, label in axis.ticks] == ["1", "2", "4", "64"]
    assert not values_axis([0, 100], "x", ["0", "100"]).log


@pytest.mark.parametrize("places", [(5.0, 5.1, 5.2, 5.3), (0.0, 0.0, 10.0, 10.0), (1.0, 9.0)])
def test_marker_labels_do_not_overlap(places: tuple[float, ...]) -> None:
    markers = [Marker(place, f"p{index} 1.234 ms", "") for index, place in enumerate(places)]
    drawn = figure("f", "t", "d", svg.Axis(0, 10, (), "x"), value_axis(10, "y"), [], markers=markers)
    boxes = []
    for x, y, label in re.findall(
        r'<text class="label ?" x="([\d.]+)" y="([\d.]+)" text-anchor="middle">([^<]+)<', drawn
    ):
        half = len(label) * 6.4 / 2
        boxes.append((float(y), float(x) - half, float(x) + half))
    assert len(boxes) == len(places)
    for row in {y for y, _, _ in boxes}:
        inside = sorted((left, right) for y, left, right in boxes if y == row)
        assert all(a[1] <= b[0] for a, b in pairwise(inside))
    assert all(left >= 0 and right <= 540 for _, left, right in boxes)


def test_a_marker_out_of_range_is_left_out() -> None:
    drawn = figure("f", "t", "d", svg.Axis(0, 10, (), "x"), value_axis(10, "y"), [], markers=[Marker(11, "far", "")])
    assert "far" not in drawn


def test_a_bar_of_one_sample_beside_a_million_can_be_seen() -> None:
    drawn = figure(
        "f",
        "t",
        "d",
        svg.Axis(0, 3, (), "x"),
        value_axis(1e6, "y"),
        [bars([0, 1, 2, 3], [1e6, 1, 0], ["", "", ""], ["", "", ""])],
    )
    heights = [float(h) for h in re.findall(r'<rect class="bar[^>]* height="([\d.]+)"', drawn)]
    assert len(heights) == 2
    assert min(heights) == 2
    assert all(map(math.isfinite, heights))


def test_a_plot_speaks_to_screen_readers_and_escapes() -> None:
    drawn = figure("f", "<t>", "<d>", svg.Axis(0, 1, (), "<x>"), value_axis(1, "<y>"), [])
    assert 'role="img"' in drawn and 'aria-labelledby="f-title f-desc"' in drawn
    assert not re.search(r"<[tdxy]>", drawn)
