"""Figures keep their digits and get the unit that fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.report.numbers import duration, figure, number, percent, precise, rank, rounder, setting, size


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12345.6, "12,346"),
        (1234567, "1,234,567"),
        (91.3, "91.30"),
        (0.012345, "0.01235"),
        (999.96, "1,000"),
        (0.0, "0"),
    ],
)
def test_numbers_have_four_significant_digits_and_whole_numbers_stay_whole(value: float, shown: str) -> None:
    assert number(value) == shown


def test_numbers_that_are_none_are_said_to_be() -> None:
    assert number(float("nan")) == "nan"
    assert str(figure(float("inf"), "ns")) == "inf ns"


@pytest.mark.parametrize(
    ("ns", "shown"),
    [(0, "0 ns"), (12, "12 ns"), (850_000, "850.0 µs"), (1_234_567, "1.235 ms"), (10_000_000_000, "10.00 s")],
)
def test_times_move_to_the_unit_that_fits(ns: float, shown: str) -> None:
    assert duration(ns) == shown


def test_figures_other_than_times_keep_their_unit() -> None:
    assert str(figure(2391.74, "samples/s")) == "2,392 samples/s"
    assert str(figure(1.5, "ms")) == "1.500 ms"
    assert str(figure(1500, "usec")) == "1.500 ms"


def test_accuracies_that_differ_by_little_do_not_print_alike() -> None:
    assert precise(76.4564) != precise(76.4567)
    assert precise(91.3) == "91.3"


def test_shares_percentiles_and_sizes() -> None:
    assert [percent(share) for share in (0, 0.421, 0.00013, 1)] == ["0 %", "42.1 %", "0.0130 %", "100 %"]
    assert [rank(p) for p in (50.0, 99.9, 99.99)] == ["p50", "p99.9", "p99.99"]
    assert [size(n) for n in (0, 512, 1536, 7 * 2**30)] == ["0 B", "512 B", "1.5 KiB", "7 GiB"]


def test_settings_in_a_larger_unit_only_where_that_is_exact() -> None:
    assert rounder(2_400_000, "ms") == "40 min"
    assert rounder(7 * 2**30, "B") == "7 GiB"
    assert rounder(1_234_567, "ns") is None
    assert rounder(15, "ms") is None
    assert rounder(64, "samples") is None


def test_settings_read_as_yaml_wrote_them() -> None:
    assert [setting(v) for v in (None, True, 2000.0, 8, "int8")] == ["unset", "true", "2,000", "8", "int8"]
    assert setting({"resnet": 32}) == "resnet: 32"
    assert setting(["cpu", "gpu"]) == "cpu, gpu"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_figure_can_be_shown(value: float) -> None:
    assert number(value)
    assert duration(value)
