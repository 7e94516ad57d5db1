"""What the ledger makes of reports: right ones in any order, and of every wrong one a sentence, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.llm.ledger import Ledger

CORES = [("left", None), ("right", 4)]


def ledger(*ids, streaming=True):
    made = Ledger(CORES, streaming=streaming)
    made.submit(ids, [0] * len(ids))
    return made


def test_a_request_is_open_from_its_submission_to_its_end():
    made = ledger(7, 8)
    assert set(made.open) == {7, 8} and made.begun == 0
    assert not made.first_token(0, [8], [1])
    assert made.begun == 1
    assert [load.pending for load in made.loads] == [2, 0]
    assert not made.finish(0, [8], [3])
    assert set(made.open) == {7} and made.begun == 0
    assert [load.pending for load in made.loads] == [1, 0]
    made.fail([7])
    assert not made.open


@pytest.mark.parametrize(
    ("report", "sentence", "left"),
    [
        (lambda made: made.finish(0, [7], [3]), "left reported an answer without its first token before.", set()),
        (lambda made: made.finish(0, [7], [0]), "left answered a request with no token.", set()),
        (lambda made: made.finish(1, [7], [3]), "right reported on a request that left has.", set()),
        (
            lambda made: made.finish(0, [9], [3]),
            "left reported on a request that has ended, or that it never got.",
            {7},
        ),
        (lambda made: made.first_token(0, [7], [0]), "left reported a first token that is none.", set()),
        (lambda made: made.first_token(0, [7, 7], [1, 1]), "left reported the first token of a request twice.", set()),
        (lambda made: made.first_token(1, [9], [1]), "right reported on a request that has ended, or that it", {7}),
    ],
)
def test_a_wrong_report_is_told_and_ends_the_request(report, sentence, left):
    made = ledger(7)
    (said,) = report(made).values()
    assert said.startswith(sentence)
    assert set(made.open) == left


def test_where_answers_do_not_stream_none_needs_a_first_token():
    assert not ledger(7, streaming=False).finish(0, [7], [3])


@given(st.data())
def test_of_any_reports_each_request_ends_once_and_the_counts_agree(data):
    made = Ledger(CORES, streaming=data.draw(st.booleans()))
    submitted, sound = set(), []
    for _ in range(data.draw(st.integers(0, 30))):
        action = data.draw(st.sampled_from(["submit", "first", "finish", "fail"]))
        core, id_ = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 6))
        length = data.draw(st.integers(0, 2))
        if action == "submit" and id_ not in submitted:
            made.submit([id_], [core])
            submitted.add(id_)
        elif action == "first":
            made.first_token(core, [id_], [length])
        elif action == "finish" and not made.finish(core, [id_], [length]):
            sound.append(id_)
        elif action == "fail":
            made.fail([id_])
        assert sum(load.pending for load in made.loads) == len(made.open)
        assert made.begun <= len(made.open)
    assert len(sound) == len(set(sound)) and set(sound) <= submitted
    assert not set(sound) & set(made.open)
