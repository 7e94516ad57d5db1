"""Room: how many requests a server takes at a time, as far as its answers and refusals have shown.

It has no clock of its own: every method is told the time.
"""

from __future__ import annotations

import math

import attrs

from harness.backends.openai_endpoint.refusal import delay

_FULL_WAIT_S = 1.0
"""Longest time before a full server is asked again that does not say when; and how long it gets no more requests at a
time than it has taken."""


@attrs.define
class Room:
    """What one server takes. Times are in seconds, all of one clock."""

    most: int
    """Requests under way that it is never sent more than."""
    silence_s: float
    """It has failed when it says that it is full, and nothing else, for so long."""
    served: float
    """When tokens or a whole answer came last, of any request; at first, when the client began."""
    _takes: int = attrs.field(init=False, default=attrs.Factory(lambda room: room.most, takes_self=True))
    _trial_at: float = attrs.field(init=False, default=-math.inf)
    """When it is asked again, where it takes none."""
    _roomier_from: float = attrs.field(init=False, default=-math.inf)
    """When an answer shows that it takes one more."""
    _full_since: float | None = attrs.field(init=False, default=None)
    """When it first said that it is full after its last answer,"""
    _trials: int = attrs.field(init=False, default=0)
    """and how often it was asked since with nothing under way."""

    def takes(self, now: float) -> int:
        """Requests under way that it takes: none while it is full, then one, by which it is asked again."""
        if not self._takes and now >= self._trial_at:
            self._takes = 1
        return self._takes

    @property
    def asked_again_at(self) -> float:
        """When ``takes`` rises without an answer; infinite where it takes some."""
        return math.inf if self._takes else self._trial_at

    def answered(self, now: float) -> None:
        """A whole answer has come: there may be room for one more."""
        self.served, self._full_since = now, None
        if self._takes < self.most and now >= self._roomier_from:
            self._takes += 1

    def refused(self, now: float, under_way: int, retry_after: str | None) -> bool:
        """It said that it is full, with so many other requests under way; whether to ask it again.

        It gets no more at a time than it has taken; where that is nothing, it is asked in a while.
        """
        if self._full_since is None:
            self._full_since, self._trials = now, 0
        self._roomier_from = now + _FULL_WAIT_S
        if now - max(self._full_since, self.served) > self.silence_s:
            self._takes = max(1, under_way)
            return False
        self._takes = min(self._takes, under_way)
        if not self._takes:
            self._trials += 1
            wait = delay(self._trials, retry_after)
            self._trial_at = now + (wait if retry_after else min(wait, _FULL_WAIT_S))
        return True
