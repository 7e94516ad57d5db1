"""Overrides mean what they mean to Hydra's own parser, whichever of the two reads them."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.compose.override import parse_override
from mlperf_registry.schema.problem import ConfigError

_SCALARS = st.one_of(
    st.text(alphabet="0123456789.eE+-_abnulftrsiyTNF/:", min_size=1, max_size=6),
    st.sampled_from(
        [
            "null",
            "NULL",
            "True",
            "false",
            "nan",
            "inf",
            "-0",
            "007",
            "1_0",
            "1.",
            ".5",
            "-1.5",
            "a.b",
            "40min",
            "",
            "a b",
            "é",
            "/home/engines",
            "package:harness/benchmarks/resnet50/random.calibration",
            "a:",
            "/",
            "a//b",
            "http://host:8000",
        ]
    ),
)
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3).map(lambda values: f"[{','.join(values)}]"))


@settings(max_examples=600, deadline=None)
@given(sign=st.sampled_from(["", "+", "++"]), key=st.sampled_from(["a", "a.b", "_x.y_1", "loadgen.qps"]), value=_VALUES)
def test_plain_values_are_read_as_hydra_reads_them(sign: str, key: str, value: str) -> None:
    text = f"{sign}{key}={value}"
    try:
        expected = OverridesParser.create().parse_override(text)
    except Exception:
        with pytest.raises(ConfigError):
            parse_override(text)
        return
    ours = parse_override(text)
    assert repr(ours.value) == repr(expected.value())
    assert (ours.key, ours.kind) == (expected.key_or_group, "add" if sign else "change")


@pytest.mark.parametrize(
    ("text", "kind", "value", "sweep"),
    [
        ("a='x y'", "change", "x y", False),
        ("a=[1, 2]", "change", [1, 2], False),
        ("a=[[1],2]", "change", [[1], 2], False),
        ("a=[]", "change", [], False),
        ("a={b: 1}", "change", {"b": 1}, False),
        ("~a.b", "delete", None, False),
        ("a=1,2", "change", None, True),
        ("a=range(1,4)", "change", None, True),
        ("a=${b.c}", "change", "${b.c}", False),
    ],
)
def test_other_forms_go_to_hydras_parser(text: str, kind: str, value: object, sweep: bool) -> None:
    override = parse_override(text)
    assert (override.kind, override.value, override.sweep) == (kind, value, sweep)


@pytest.mark.parametrize("text", ["", "a", "=1", "a=[1", "a@b=1", "--flag", "a b=1", "a=\n"])
def test_what_is_no_override_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_override(text)
    (problem,) = caught.value.problems
    assert problem.origin == f"override:{text}"
    assert problem.hint
