"""Backlog: exchanges that have no connection, those that may be sent and those that are sent again later."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque

from harness.backends.openai_endpoint.exchange import Exchange


class Backlog:
    """Exchanges that wait. Times are in seconds, all of one clock."""

    def __init__(self) -> None:
        self.ready: deque[Exchange] = deque()
        """Those that may be sent, the next one first."""
        self._later: list[tuple[float, int, Exchange]] = []
        self._order = itertools.count()

    def postpone(self, exchange: Exchange, due: float) -> None:
        """Keep an exchange back until a time."""
        heapq.heappush(self._later, (due, next(self._order), exchange))

    def ripen(self, now: float) -> None:
        """Those whose time has come may be sent."""
        while self._later and self._later[0][0] <= now:
            self.ready.append(heapq.heappop(self._later)[2])

    @property
    def next_due(self) -> float:
        """When the next exchange that is kept back may be sent; infinite where there is none."""
        return self._later[0][0] if self._later else math.inf

    def clear(self) -> list[Exchange]:
        """Give away all that wait."""
        left = [*self.ready, *(exchange for _, _, exchange in self._later)]
        self.ready.clear()
        self._later.clear()
        return left
