"""Pace: how fast a count grows, over so long a time that a slow engine's shows, too."""

from __future__ import annotations

from collections import deque

_SECONDS = 5.0
_STEPS = 10


class Pace:
    """The rate of the last five seconds, or of as far back as the last ten counts lie: at two samples/s every figure
    of half a second would be 0 or 2."""

    def __init__(self, count: int = 0) -> None:
        self._seen = deque([(0.0, count)])

    def at(self, elapsed: float, count: int) -> float:
        """The rate, /s, now that there are ``count`` after ``elapsed`` seconds. Times do not go back."""
        seen = self._seen
        seen.append((elapsed, count))
        while len(seen) > 2 and elapsed - seen[1][0] >= _SECONDS and count - seen[1][1] >= _STEPS:
            seen.popleft()
        span = elapsed - seen[0][0]
        return (count - seen[0][1]) / span if span > 0 else 0.0
