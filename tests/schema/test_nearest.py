"""Hints: what was meant, else what there is."""

from __future__ import annotations

import pytest

from mlperf_registry.schema.nearest import meant, nearest


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("resnet5", ["bert", "resnet50", "resnet50-mini"], "did you mean resnet50 or resnet50-mini?"),
        ("BRET", ["bert", "rnnt"], "did you mean bert?"),
        ("zebra", ["bert", "rnnt"], "known: bert, rnnt"),
        ("zebra", [], "there are none"),
        ("builder.use_graphs", ["runtime.use_graphs", "runtime.other"], "did you mean runtime.use_graphs?"),
    ],
)
def test_a_hint_always_says_something(name, known, hint):
    assert nearest(name, known) == hint


def test_what_was_meant_may_be_unknown():
    assert meant("zebra", ["bert"]) is None
    assert meant("brt", ["bert"]) == "did you mean bert?"
