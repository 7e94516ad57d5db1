"""Durations and sizes with units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.schema.quantity import is_quantity_unit, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("40min", "ms", 2_400_000),
        ("10 s", "ms", 10_000),
        ("1.5s", "ms", 1_500),
        ("0.50us", "ns", 500),
        ("0.0005ms", "ns", 500),
        ("15ms", "ns", 15_000_000),
        ("7GiB", "B", 7 << 30),
        ("2h", "ms", 7_200_000),
    ],
)
def test_a_quantity_comes_out_in_the_canonical_unit(text, unit, value):
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("40", "ms"),
        ("40GiB", "ms"),
        ("10ms", "B"),
        ("ten s", "ms"),
        ("1us", "ms"),
        ("1.0005us", "ns"),
        ("-1s", "ms"),
        ("", "ms"),
    ],
)
def test_what_is_no_whole_quantity_of_the_kind_is_refused_with_a_sentence(text, unit):
    with pytest.raises(ValueError, match=r"quantity|whole"):
        parse_quantity(text, unit)


@given(st.integers(0, 10**9), st.sampled_from(["ns", "us", "ms", "s"]))
def test_units_agree_with_each_other(number, unit):
    factor = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[unit]
    assert parse_quantity(f"{number}{unit}", "ns") == number * factor


def test_only_durations_and_sizes_are_quantities():
    assert is_quantity_unit("ms") and is_quantity_unit("B")
    assert not is_quantity_unit("samples") and not is_quantity_unit(None)
