"""Sentences are nltk's, by its English model where that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.benchmarks.llm import sentences
from harness.benchmarks.llm.sentences import one_a_line, require_splitter
from mlperf_registry.schema.problem import NotReady

punkt = pytest.importorskip("nltk.tokenize.punkt")
data = pytest.importorskip("nltk.data")

TEXT = "  Dr. Who met Mr. Smith. They left.  It rained! "


@pytest.fixture
def english(tmp_path, monkeypatch):
    """A folder for nltk's data, the only one."""
    monkeypatch.setattr(data, "path", [str(tmp_path)])
    sentences._model.cache_clear()
    yield tmp_path / "tokenizers" / "punkt_tab" / "english"
    sentences._model.cache_clear()


def write_model(folder: Path) -> None:
    """A model in the form of punkt_tab, which knows two abbreviations."""
    parameters = punkt.PunktParameters()
    parameters.abbrev_types = {"dr", "mr"}
    folder.mkdir(parents=True)
    punkt.save_punkt_params(parameters, str(folder))


def test_the_english_model_where_nltk_looks_for_it(english):
    write_model(english)
    assert one_a_line(TEXT, "punkt") == "Dr. Who met Mr. Smith.\nThey left.\nIt rained!"


def test_without_its_data_it_says_how_to_get_it_and_the_other_needs_none(english):
    with pytest.raises(NotReady, match="nltk_data/tokenizers/punkt_tab/english"):
        require_splitter("punkt")
    assert one_a_line(TEXT, "untrained_punkt").splitlines()[-2:] == ["They left.", "It rained!"]
