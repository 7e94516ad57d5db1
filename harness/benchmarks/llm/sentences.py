"""Splits a text into sentences as nltk's English model does, which MLPerf's evaluation asks before ROUGE-Lsum."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from harness.llm.installed import import_extra
from mlperf_registry.schema.problem import NotReady

Splitter = Literal["punkt", "untrained_punkt"]


def one_a_line(text: str, splitter: Splitter) -> str:
    """The text stripped, a sentence on each line.

    Raises:
        NotReady: when nltk or its model is not installed.
    """
    return "\n".join(_model(splitter).tokenize(text.strip()))


def require_splitter(splitter: Splitter) -> None:
    """Check that texts can be split; errors as ``one_a_line``."""
    _model(splitter)


@cache
def _model(splitter: Splitter) -> Any:
    punkt = import_extra("nltk.tokenize.punkt")
    if splitter == "untrained_punkt":
        return punkt.PunktSentenceTokenizer()
    try:
        return punkt.PunktTokenizer("english")
    except LookupError as error:
        raise NotReady(
            "ROUGE needs nltk's model of English sentences, which is data of its own: python -m nltk.downloader "
            "punkt_tab. Without a network: unpack punkt_tab.zip of github.com/nltk/nltk_data (packages/tokenizers) so "
            "that ~/nltk_data/tokenizers/punkt_tab/english is there, or below a folder that $NLTK_DATA names. With "
            "benchmark.options.sentence_splitter=untrained_punkt rougeLsum and gen_len come out differently, and the "
            "closed division takes no such result."
        ) from error
