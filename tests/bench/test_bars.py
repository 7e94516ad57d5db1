"""Bars: a missed one is named with its source, and so is a figure that nobody measured."""

from pathlib import Path

import yaml

from bench.__main__ import BARS, missed

BAR = {"name": "rate", "at_least": 10, "source": "Ten is enough."}


def figure(value):
    return {"rate": {"value": value, "unit": "samples/s", "pairs": 7, "spread": 0.1}}


def test_a_bar_that_holds_says_nothing():
    assert missed(figure(10), [BAR]) == []
    assert missed(figure(5), [{"name": "rate", "at_most": 5, "source": ""}]) == []
    assert missed(figure(5), [{"name": "rate", "equals": 5, "source": ""}]) == []


def test_a_missed_bar_is_named():
    (sentence,) = missed(figure(9), [BAR])
    assert "rate is 9 samples/s" in sentence
    assert "at least 10" in sentence
    assert "Ten is enough." in sentence


def test_what_was_not_measured_is_missed():
    (sentence,) = missed({}, [BAR])
    assert "not measured" in sentence


def test_the_bars_of_the_repository_are_well_formed():
    for bar in yaml.safe_load(Path(BARS).read_text()):
        assert len(set(bar) & {"at_least", "at_most", "equals"}) == 1
        assert bar["name"]
        assert bar["source"]
