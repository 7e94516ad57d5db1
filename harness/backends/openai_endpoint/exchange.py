"""Exchange: a request on its way to its one end; with what a client may spend on its requests, and what it did.

The terms that a client, the processes it may run in and the core that has them all share.
"""

from __future__ import annotations

from collections import Counter

import attrs

from harness.llm.request import Request


@attrs.frozen(kw_only=True)
class Limits:
    """What a client may spend on its requests."""

    connections: int
    """Requests under way at a time; others wait."""
    retries: int
    """How often a request is sent again, but for a server that is full."""
    silence_s: float
    """A request has failed whose answer gets no further for so long, or whose server answers nothing for so long."""


@attrs.define
class Counts:
    """What a client did, for the record."""

    requests: int = 0
    answers: int = 0
    failures: int = 0
    connections: int = 0
    retries: Counter[str] = attrs.field(factory=Counter)
    """Why requests were sent again, to how often."""
    cpu_s: float = 0.0
    """Processor time of the client's thread."""
    encoded_tokens: int = 0
    """Tokens that our tokeniser made of answers that came as text,"""
    claimed_tokens: int = 0
    """and what their server says that it made."""

    def add(self, other: Counts) -> None:
        """Take in what another client did."""
        self.requests += other.requests
        self.answers += other.answers
        self.failures += other.failures
        self.connections += other.connections
        self.retries.update(other.retries)
        self.cpu_s += other.cpu_s
        self.encoded_tokens += other.encoded_tokens
        self.claimed_tokens += other.claimed_tokens


@attrs.define(eq=False)
class Exchange:
    """A request on its way to its one end."""

    request: Request
    attempts: int = 0
    """How often it was sent or found no connection; full servers and closed idle connections do not count."""
    fresh: bool = False
    """Whether it must have a new connection, since a used one was closed under it."""
