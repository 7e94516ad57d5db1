"""Our ROUGE is rouge_score's, which MLPerf's evaluation uses: the same numbers for every pair."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.benchmarks.llm.rouge import rouge

rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")

KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
SCORER = rouge_scorer.RougeScorer(KINDS, use_stemmer=True)

words = st.sampled_from(("running", "runs", "ran", "easily", "fairly", "fair", "a", "C", "d-e", "don't", "Über", "\n"))
texts = st.lists(words, max_size=40).map(" ".join)


def expect_the_same(reference: str, prediction: str) -> None:
    ours, theirs = rouge(reference, prediction), SCORER.score(reference, prediction)
    for kind in KINDS:
        assert getattr(ours, kind) == pytest.approx(theirs[kind].fmeasure, abs=1e-12), kind


@settings(max_examples=300, deadline=None)
@given(texts, texts)
def test_any_two_texts(reference, prediction):
    expect_the_same(reference, prediction)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_characters(reference, prediction):
    expect_the_same(reference, prediction)


@pytest.mark.parametrize(
    ("reference", "prediction"),
    [
        ("", ""),
        ("a", ""),
        ("", "a"),
        ("\n\n", "\n"),
        # Several longest common subsequences: the union of sentences depends on which is taken.
        ("a b c d\ne f g", "b a d c\ng f e a\na b"),
        ("the the the the", "the the\nthe"),
        (" ".join("abcdefghij" * 30), " ".join("jihgfedcba" * 30)),
    ],
)
def test_corners(reference, prediction):
    expect_the_same(reference, prediction)


def test_a_known_pair():
    score = rouge("The cat sat on the mat.", "The cats sat on a mat")
    assert score.rouge1 == pytest.approx(5 / 6)  # all but one word, cats being cat
    assert score.rouge2 == pytest.approx(3 / 5)
    assert score.rougeL == pytest.approx(5 / 6)
