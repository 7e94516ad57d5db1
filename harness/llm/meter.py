"""Meter: the output tokens of all cores so far, for the progress line and to tell a long answer from a hung engine."""

from __future__ import annotations

import threading


class Meter:
    """Two counts of the same tokens: as cores report them while they come, and as finished answers have them.

    A core that reports no progress is known by its answers alone; one that does is ahead of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming = 0
        self._finished = 0

    @property
    def tokens(self) -> int:
        """Output tokens so far."""
        return max(self._coming, self._finished)

    def come(self, tokens: int) -> None:
        """So many more have come."""
        with self._lock:
            self._coming += tokens

    def finish(self, tokens: int) -> None:
        """Answers of so many are complete."""
        with self._lock:
            self._finished += tokens
