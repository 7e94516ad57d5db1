"""How many requests a server is sent, by what it has answered and refused; every time is the test's own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.openai_endpoint.room import Room


def room(most=16, silence_s=60.0):
    return Room(most, silence_s, served=100.0)


def test_a_server_that_refused_nothing_gets_as_many_as_it_may():
    server = room()
    server.answered(101.0)
    assert server.takes(101.0) == 16
    assert server.asked_again_at == math.inf


def test_a_full_server_gets_no_more_than_it_has():
    server = room()
    assert server.refused(100.0, 4, None)
    assert server.takes(100.0) == 4
    assert server.asked_again_at == math.inf, "its answers say when"


def test_a_second_after_the_last_refusal_each_answer_makes_room_for_one_more():
    server = room(most=6)
    server.refused(100.0, 4, None)
    server.answered(100.9)
    assert server.takes(100.9) == 4
    server.answered(101.0)
    assert server.takes(101.0) == 5
    server.refused(101.0, 5, None)
    server.answered(101.9)
    assert server.takes(101.9) == 5
    for _ in range(3):
        server.answered(102.0)
    assert server.takes(102.0) == 6


def test_a_server_that_takes_none_is_asked_again_by_one_request_later_each_time_and_within_a_second():
    server, now, waits = room(), 100.0, []
    for _ in range(6):
        assert server.refused(now, 0, None)
        assert server.takes(now) == 0
        waits.append(server.asked_again_at - now)
        now = server.asked_again_at
        assert server.takes(now) == 1
        assert server.asked_again_at == math.inf
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1])


def test_an_answer_starts_the_waits_anew():
    server = room()
    for now in (100.0, 101.0, 102.0):
        server.refused(now, 0, None)
    server.answered(103.0)
    server.refused(104.0, 0, None)
    assert server.asked_again_at == pytest.approx(104.1)


@pytest.mark.parametrize(("said", "wait"), [("3", 3), ("0", 0.1), ("3600", 30), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.1)])
def test_it_is_asked_when_it_says_in_bounds(said, wait):
    server = room()
    server.refused(100.0, 0, said)
    assert server.asked_again_at == pytest.approx(100 + wait)


def test_a_server_that_is_full_and_nothing_else_for_too_long_has_failed():
    server = room(silence_s=2.0)
    assert server.refused(110.0, 0, None), "before it, it had nothing to answer"
    assert server.refused(112.0, 0, None)
    assert not server.refused(112.1, 0, None)
    assert server.takes(112.1) == 1, "the next request fails soon, too, rather than waiting"


def test_a_full_server_that_answers_others_has_not_failed():
    server = room(silence_s=2.0)
    server.refused(110.0, 3, None)
    server.answered(111.0)
    assert server.refused(112.9, 3, None)


def test_a_full_server_whose_streams_get_on_has_not_failed():
    server = room(silence_s=2.0)
    server.refused(110.0, 3, None)
    server.served = 111.0
    assert server.refused(112.9, 3, None)
    assert not server.refused(113.1, 3, None)


events = st.lists(st.tuples(st.booleans(), st.floats(0, 3), st.integers(0, 20), st.sampled_from([None, "2"])))


@given(events)
def test_whatever_it_says_it_gets_some_in_the_end_and_never_more_than_the_most(said):
    server, now = room(most=16), 100.0
    for answers, later, under_way, retry_after in said:
        now += later
        if answers:
            server.answered(now)
        else:
            server.refused(now, under_way, retry_after)
            assert server.takes(now) <= max(1, under_way)
        assert 0 <= server.takes(now) <= 16
        assert server.takes(now) or now < server.asked_again_at <= now + 30
