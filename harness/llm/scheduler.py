"""Schedulers: which core gets the next requests. Round robin where all are there at once, else least pending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs


@attrs.frozen
class Load:
    """What a core has, and what it can take."""

    pending: int
    """Requests that it holds."""
    capacity: int | None = None
    """Most that it may hold; None: any number."""

    @property
    def full(self) -> bool:
        """Whether it can take no more."""
        return self.capacity is not None and self.pending >= self.capacity


class Scheduler(Protocol):
    """Spreads requests over cores."""

    def allot(self, count: int, loads: Sequence[Load]) -> list[int]:
        """The core of each of the next requests: ``count`` of them, or fewer where every core is full then."""


class RoundRobin:
    """Cores in turn, full ones passed over: each gets the same share of a query that is there as a whole."""

    def __init__(self) -> None:
        self._turn = 0

    def allot(self, count: int, loads: Sequence[Load]) -> list[int]:
        """See Scheduler."""
        room = [_room(load, count) for load in loads]
        chosen: list[int] = []
        for _ in range(min(count, sum(room))):
            while not room[self._turn]:
                self._turn = (self._turn + 1) % len(loads)
            room[self._turn] -= 1
            chosen.append(self._turn)
            self._turn = (self._turn + 1) % len(loads)
        return chosen


class LeastPending:
    """The core that holds the fewest requests, of equal ones the next in turn: the shortest wait for a request."""

    def __init__(self) -> None:
        self._turn = 0

    def allot(self, count: int, loads: Sequence[Load]) -> list[int]:
        """See Scheduler."""
        cores = len(loads)
        room = [_room(load, count) for load in loads]
        pending = [load.pending for load in loads]
        chosen: list[int] = []
        for _ in range(min(count, sum(room))):
            in_turn = ((self._turn + step) % cores for step in range(cores))
            core = min((core for core in in_turn if room[core]), key=pending.__getitem__)
            room[core] -= 1
            pending[core] += 1
            chosen.append(core)
            self._turn = (core + 1) % cores
        return chosen


def _room(load: Load, wanted: int) -> int:
    return wanted if load.capacity is None else max(0, load.capacity - load.pending)
