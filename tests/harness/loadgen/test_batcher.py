"""The batcher: full batches where it can, no delay where it may not, everything in order."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import pytest

from harness.loadgen.batcher import Batcher, Direct


@pytest.fixture
def make():
    batchers, errors = [], []

    def made(*, size, hold_s=0.0, slow=None):
        batches = SimpleQueue()
        arrived = {}

        def hand_on(first, stop):
            batches.put((first, stop))
            if slow is not None:
                slow.wait()

        batcher = Batcher(
            hand_on,
            on_error=errors.append,
            size=size,
            hold_ns=int(hold_s * 1e9),
            arrival_ns=lambda n: arrived.get(n, 0),
        )
        batcher.start()
        batchers.append(batcher)

        def put(count):
            arrived.update(dict.fromkeys(range(batcher.issued, batcher.issued + count), time.monotonic_ns()))
            batcher.put(count)

        return batcher, put, batches

    yield made
    for batcher in batchers:
        batcher.stop()
    assert errors == []


def test_one_large_issue_becomes_full_batches_and_a_rest(make):
    _, put, batches = make(size=4)
    put(10)
    assert [batches.get(timeout=5) for _ in range(3)] == [(0, 4), (4, 8), (8, 10)]


def test_without_a_limit_nothing_waits(make):
    _, put, batches = make(size=4)
    for number in range(3):
        put(1)
        assert batches.get(timeout=5) == (number, number + 1)


def test_what_came_while_the_runner_was_busy_makes_one_batch(make):
    free = threading.Event()
    _, put, batches = make(size=4, slow=free)
    put(1)
    assert batches.get(timeout=5) == (0, 1)
    for _ in range(6):
        put(1)
    free.set()
    assert [batches.get(timeout=5) for _ in range(2)] == [(1, 5), (5, 7)]


def test_a_batch_is_held_until_it_is_full(make):
    _, put, batches = make(size=3, hold_s=30)
    put(2)
    time.sleep(0.05)
    assert batches.empty()
    put(2)
    assert batches.get(timeout=5) == (0, 3)
    time.sleep(0.05)
    assert batches.empty()


def test_a_batch_is_held_no_longer_than_the_timeout_of_its_first_sample(make):
    _, put, batches = make(size=3, hold_s=0.2)
    start = time.monotonic()
    put(1)
    time.sleep(0.12)
    put(1)
    assert batches.get(timeout=5) == (0, 2)
    assert 0.19 < time.monotonic() - start < 0.31


def test_a_wait_longer_than_any_timer_is_a_wait(make):
    batcher, put, batches = make(size=3, hold_s=1e12)
    put(1)
    time.sleep(0.05)
    assert batches.empty()
    batcher.flush()
    assert batches.get(timeout=5) == (0, 1)


def test_flush_ends_the_wait_and_a_later_issue_waits_again(make):
    batcher, put, batches = make(size=3, hold_s=30)
    put(1)
    batcher.flush()
    assert batches.get(timeout=5) == (0, 1)
    put(1)
    time.sleep(0.05)
    assert batches.empty()


def test_stop_hands_on_what_is_held(make):
    batcher, put, batches = make(size=3, hold_s=30)
    put(1)
    time.sleep(0.05)
    batcher.stop()
    assert batches.get(timeout=0) == (0, 1)


def test_engines_that_batch_get_each_issue_as_it_came(make):
    batcher, put, batches = make(size=None)
    for count in (1, 5, 2):
        put(count)
    batcher.flush()
    assert [batches.get(timeout=5) for _ in range(3)] == [(0, 1), (1, 6), (6, 8)]


def test_direct_hands_on_in_the_thread_that_issues():
    batches = []
    direct = Direct(lambda first, stop: batches.append((first, stop, threading.get_ident())), size=4)
    direct.put(6)
    direct.put(1)
    here = threading.get_ident()
    assert batches == [(0, 4, here), (4, 6, here), (6, 7, here)]


class Counted(SimpleQueue):
    """A queue that counts what is put."""

    puts = 0

    def put(self, item):
        self.puts += 1
        super().put(item)


def test_a_batch_that_fills_up_wakes_the_thread_once(monkeypatch):
    monkeypatch.setattr("harness.loadgen.batcher.SimpleQueue", Counted)
    handed = SimpleQueue()
    now = time.monotonic_ns()
    batcher = Batcher(
        lambda first, stop: handed.put((first, stop)),
        on_error=raise_again,
        size=100,
        hold_ns=60 * 10**9,
        arrival_ns=lambda number: now,
    )
    batcher.start()
    for first in range(0, 1000, 100):
        batcher.put(1)
        time.sleep(0.01)  # the thread has seen the first sample, and waits for the others
        for _ in range(99):
            batcher.put(1)
        assert handed.get(timeout=5) == (first, first + 100)
    assert batcher._queue.puts == 20
    batcher.stop()


def raise_again(error):
    raise error
