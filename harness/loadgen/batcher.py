"""Batcher: the queue between LoadGen's issue thread and a runner, and the one thread that calls the runner.

Samples are numbered in the order of issue, so a batch is a pair of numbers: no sample is touched on its way. Direct
stands in for it where there is nothing to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic_ns

_NEVER = 1 << 62
"""More samples than are ever issued."""


class Direct:
    """Hands on what is issued at once, from the thread that issues it.

    For scenarios in which a query is issued only when the one before is answered: nothing can join it, and a hand-off
    to another thread costs 2 us on a quiet machine and ten times that on a busy one. Arguments as of ``Batcher``.
    """

    def __init__(self, hand_on: Callable[[int, int], None], *, size: int | None) -> None:
        self._hand_on = hand_on
        self._size = size
        self.issued = 0
        """Samples put so far: the number of the next one."""

    def start(self) -> None:
        """There is no thread to start."""

    def put(self, count: int) -> None:
        """``count`` more samples were issued."""
        head = self.issued
        self.issued = tail = head + count
        step = self._size or count
        while head < tail:
            stop = min(tail, head + step)
            self._hand_on(head, stop)
            head = stop

    def flush(self) -> None:
        """Nothing is ever held back."""

    def stop(self) -> None:
        """There is no thread to end."""


class Batcher:
    """Hands on what is issued, in the order of issue, from a thread of its own.

    Args:
        hand_on: takes a range of sample numbers (first, stop); must not raise.
        on_error: told what ended the batcher's thread; nothing is handed on after that.
        size: most samples handed on at once; None hands on each issue as it came (engines that batch themselves).
        hold_ns: how long a partly filled batch waits for more, from the arrival of its first sample; 0 never waits.
        arrival_ns: monotonic time at which a sample number was issued.
    """

    def __init__(
        self,
        hand_on: Callable[[int, int], None],
        *,
        on_error: Callable[[Exception], None],
        size: int | None,
        hold_ns: int,
        arrival_ns: Callable[[int], int],
    ) -> None:
        self._hand_on = hand_on
        self._on_error = on_error
        self._size = size
        self._hold_ns = hold_ns
        self._arrival_ns = arrival_ns
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._issued = 0
        self._flushed = 0
        self._stopped = False
        self._wake_at = 0
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)

    @property
    def issued(self) -> int:
        """Samples put so far: the number of the next one."""
        return self._issued

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, count: int) -> None:
        """``count`` more samples were issued. Called from one thread."""
        self._issued += count
        # To wake the thread for each sample, where it waits for a batch, would cost more than all else per sample.
        if self._issued >= self._wake_at:
            self._queue.put(self._issued)

    def flush(self) -> None:
        """Nothing more is due soon: what has been issued is not held back."""
        self._flushed = self._issued
        self._queue.put(self._issued)

    def stop(self) -> None:
        """Hand on what is left, and return when that is done."""
        self._flushed = self._issued
        self._stopped = True
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            if self._size is None:
                self._pass_on()
            else:
                self._batch(self._size)
        except Exception as error:  # said at once: otherwise it would look like an engine that hangs
            self._on_error(error)

    def _pass_on(self) -> None:
        head = 0
        while (tail := self._queue.get()) is not None:
            if tail > head:
                self._hand_on(head, tail)
                head = tail

    def _batch(self, size: int) -> None:
        get, hand_on = self._queue.get, self._hand_on
        head = 0
        # An entry of the queue only says that something has changed; ``_issued`` says what there is by now, and is
        # looked at after ``_wake_at`` is set, so that no sample comes unseen between the two.
        while True:
            self._wake_at = head + 1
            while self._issued == head:
                if self._stopped:
                    return
                get()
            self._wake_at = head + size
            if self._hold_ns and self._issued - head < size:
                self._fill(head, size)
            self._wake_at = _NEVER
            stop = min(self._issued, head + size)
            hand_on(head, stop)
            head = stop

    def _fill(self, head: int, size: int) -> None:
        """Wait until ``size`` samples from ``head`` are there, their time is up, or nothing more is to come."""
        deadline = self._arrival_ns(head) + self._hold_ns
        while self._issued - head < size and self._issued > self._flushed:
            left = deadline - monotonic_ns()
            if left <= 0:
                return
            try:
                self._queue.get(timeout=min(left / 1e9, threading.TIMEOUT_MAX))
            except Empty:
                return
