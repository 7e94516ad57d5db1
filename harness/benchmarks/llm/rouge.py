"""ROUGE-1, -2, -L and -Lsum as MLPerf's evaluation computes them: the F-measures of rouge_score with its stemmer.

The same numbers as rouge_score, an order of magnitude sooner: stems are remembered, and a column of the table of common
subsequences is the bits of one integer (Hyyrö 2004, after Allison and Dix 1986). So there are no processes: the 13,368
pairs of CNN/DailyMail take two seconds, and starting processes takes more than they save.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import attrs

from harness.llm.installed import import_extra

_WORD = re.compile(r"[a-z0-9]+")
_STEMMED_FROM = 4
"""Characters from which on rouge_score stems a word."""


@attrs.frozen
class Rouge:
    """F-measures of one pair, 0 to 1."""

    rouge1: float
    rouge2: float
    rougeL: float
    rougeLsum: float


def rouge(reference: str, prediction: str) -> Rouge:
    """Score one pair; sentences are the lines of each text.

    Raises:
        NotReady: when nltk, whose stemmer this is, is not installed.
    """
    reference_lines, prediction_lines = _lines(reference), _lines(prediction)
    wanted = [word for line in reference_lines for word in line]
    given = [word for line in prediction_lines for word in line]
    return Rouge(
        _overlap(Counter(wanted), Counter(given)),
        _overlap(Counter(pairwise(wanted)), Counter(pairwise(given))),
        _f_measure(_common_length(wanted, given), len(wanted), len(given)),
        _f_measure(_summary_hits(reference_lines, prediction_lines), len(wanted), len(given)),
    )


def _lines(text: str) -> list[list[str]]:
    """Words of each line, stemmed as rouge_score does."""
    return [[_stem(word) for word in _WORD.findall(line)] for line in text.lower().split("\n") if line]


@cache
def _stem(word: str) -> str:
    return word if len(word) < _STEMMED_FROM else str(_stemmer().stem(word))


@cache
def _stemmer() -> Any:
    return import_extra("nltk.stem.porter").PorterStemmer()


def _overlap(wanted: Counter[Any], given: Counter[Any]) -> float:
    return _f_measure((wanted & given).total(), wanted.total(), given.total())


def _f_measure(hits: int, wanted: int, given: int) -> float:
    if hits == 0:
        return 0.0
    precision, recall = hits / given, hits / wanted
    return 2 * precision * recall / (precision + recall)


def _columns(wanted: Sequence[str], given: Sequence[str]) -> list[int]:
    """Columns of the table of common lengths, the one of no word first: bit i is clear where row i + 1 has one more."""
    places: dict[str, int] = {}
    for place, word in enumerate(wanted):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = (1 << len(wanted)) - 1
    column = everywhere
    columns = [column]
    for word in given:
        matched = column & places.get(word, 0)
        if matched:
            column = (column + matched | column - matched) & everywhere
        columns.append(column)
    return columns


def _common_length(wanted: Sequence[str], given: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    return len(wanted) - _columns(wanted, given)[-1].bit_count()


def _common_places(wanted: Sequence[str], given: Sequence[str]) -> set[int]:
    """Places in ``wanted`` of a longest common subsequence: of those that there are, rouge_score's."""
    columns = _columns(wanted, given)
    found = set()
    row, at = len(wanted), len(given)
    while row and at:
        if wanted[row - 1] == given[at - 1]:
            row -= 1
            at -= 1
            found.add(row)
        elif columns[at] >> row - 1 & 1:
            row -= 1
        else:
            at -= 1
    return found


def _summary_hits(wanted: list[list[str]], given: list[list[str]]) -> int:
    """Words of each sentence that are common with any sentence given, none counted more often than it is there."""
    left_wanted = Counter(word for line in wanted for word in line)
    left_given = Counter(word for line in given for word in line)
    hits = 0
    for line in wanted:
        places = set().union(*(_common_places(line, other) for other in given)) if given else set()
        for place in sorted(places):
            word = line[place]
            if left_wanted[word] > 0 and left_given[word] > 0:
                hits += 1
                left_wanted[word] -= 1
                left_given[word] -= 1
    return hits
