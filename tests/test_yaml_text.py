"""The YAML that is written reads back as the same values, and keeps to its width where it can."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.compose.document import load_yaml
from mlperf_registry.schema.quantity import parse_quantity
from mlperf_registry.yaml_text import WIDTH, flow, lines_of, quantity_text

texts = st.one_of(
    st.text(alphabet="abE019.,:-+_/#&*!|>'\"%@`{}[] ~?é", max_size=8),
    st.sampled_from(["yes", "Off", "null", "~", "1e3", "0x10", "12:30", "1_0", "2024-01-01", "=", "<<", "40min", ""]),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
leaves = st.one_of(scalars, st.lists(scalars, max_size=3))
trees = st.dictionaries(texts, st.one_of(leaves, st.dictionaries(texts, leaves, max_size=3)), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(tree=trees)
def test_it_reads_back(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    path.write_text("\n".join(lines_of(tree)) + "\n", encoding="utf-8")
    assert repr(load_yaml(path).content) == repr(tree)


def test_short_sections_take_one_line_and_long_ones_are_spread_out() -> None:
    long = {f"field_{number:02}": number for number in range(12)}
    lines = list(lines_of({"short": {"a": 1, "b": True}, "long": long, "names": [f"name_{n:02}" for n in range(20)]}))
    assert lines[0] == "short: {a: 1, b: true}"
    assert lines[1:14] == ["long:", *(f"  field_{number:02}: {number}" for number in range(12))]
    assert lines[14].startswith("names: [name_00, ") and lines[15].startswith("        name_")
    assert max(map(len, lines)) <= WIDTH


def test_names_and_quantities_are_bare_and_numbers_as_text_are_not() -> None:
    assert flow(["k_99_9+maxq", "40min", "data/x.npy"]) == "[k_99_9+maxq, 40min, data/x.npy]"
    assert flow({"CPU_THREADS_NUM": "16", "ENABLE": "YES"}) == '{CPU_THREADS_NUM: "16", ENABLE: "YES"}'
    assert yaml.safe_load(flow({"a": "yes"})) == {"a": "yes"}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2_400_000, "ms", "40min"),
        (5_400_000, "ms", "90min"),
        (3_600_000, "ms", "1h"),
        (2_000_000, "ms", "2000s"),
        (7 << 30, "B", "7GiB"),
        (128_000_000_000, "B", "128GB"),
        (8 << 20, "B", "8MiB"),
        (1_234_567, "B", "1234567B"),
        (5, "s", "5s"),
    ],
)
def test_quantities_take_the_unit_that_makes_them_short(value: int, unit: str, text: str) -> None:
    assert quantity_text(value, unit) == text


@given(st.integers(0, 10**15), st.sampled_from(["ms", "s", "us", "B", "MiB"]))
def test_quantities_read_back(value: int, unit: str) -> None:
    assert parse_quantity(quantity_text(value, unit), unit) == value
