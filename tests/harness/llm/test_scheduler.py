"""Which core gets a request: shares, limits and turns, whatever the cores hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.llm.scheduler import LeastPending, Load, RoundRobin

LOADS = st.lists(
    st.builds(Load, pending=st.integers(0, 6), capacity=st.none() | st.integers(0, 8)), min_size=1, max_size=5
)
SCHEDULERS = st.sampled_from([RoundRobin, LeastPending])


def after(loads, chosen):
    return [load.pending + chosen.count(core) for core, load in enumerate(loads)]


@given(SCHEDULERS, st.integers(0, 30), LOADS)
def test_no_core_gets_more_than_it_may_hold_and_no_room_is_left_unused(scheduler, count, loads):
    chosen = scheduler().allot(count, loads)
    pending = after(loads, chosen)
    for load, held, core in zip(loads, pending, range(len(loads)), strict=True):
        assert load.capacity is None or held <= load.capacity or core not in chosen
    assert len(chosen) <= count
    if len(chosen) < count:
        assert all(Load(held, load.capacity).full for held, load in zip(pending, loads, strict=True))


@given(SCHEDULERS, st.lists(st.integers(1, 9), max_size=8), st.integers(1, 5))
def test_unlimited_cores_get_equal_shares_however_the_requests_come(scheduler, parts, cores):
    scheduler, pending = scheduler(), [0] * cores
    for count in parts:
        for core in scheduler.allot(count, [Load(held) for held in pending]):
            pending[core] += 1
    assert max(pending) - min(pending) <= 1
    assert sum(pending) == sum(parts)


@given(st.integers(1, 20), LOADS)
def test_least_pending_picks_none_that_holds_more_than_another_with_room(count, loads):
    chosen = LeastPending().allot(count, loads)
    for number, core in enumerate(chosen):
        pending = after(loads, chosen[:number])
        others = [held for held, load in zip(pending, loads, strict=True) if not Load(held, load.capacity).full]
        assert pending[core] == min(others)


def test_round_robin_does_not_look_at_what_cores_hold():
    assert RoundRobin().allot(5, [Load(9), Load(0), Load(3)]) == [0, 1, 2, 0, 1]


def test_of_equal_cores_the_next_in_turn_is_least_pending():
    scheduler = LeastPending()
    assert [scheduler.allot(1, [Load(0), Load(0), Load(0)]) for _ in range(4)] == [[0], [1], [2], [0]]
