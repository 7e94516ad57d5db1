"""Bars: a missed one is named with its source, and so is a figure that nobody measured."""

import sys
from pathlib import Path

import pytest
import yaml

from bench import gpu
from bench.__main__ import BARS, main, missed
from mlperf_registry.schema.problem import NotReady

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


def test_what_is_not_installed_is_a_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "bench.rouge", raising=False)
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    assert main(["rouge"]) == 3
    assert capsys.readouterr().err.endswith("needs rouge_score, not installed here: pip install -e '.[test]'\n")

    def lacking(arguments):
        raise NotReady("TensorRT is not here.")

    monkeypatch.setattr(gpu, "main", lacking)
    assert main(["gpu", "offline"]) == 3
    assert capsys.readouterr().err == "TensorRT is not here.\n"


def test_a_fault_of_our_own_is_not_called_a_missing_package(monkeypatch):
    def faulty(arguments):
        raise ModuleNotFoundError("No module named 'bench.nothing'", name="bench.nothing")

    monkeypatch.setattr(gpu, "main", faulty)
    with pytest.raises(ModuleNotFoundError):
        main(["gpu", "offline"])
