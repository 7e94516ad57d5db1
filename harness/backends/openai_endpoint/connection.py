"""Connection: a wire to the server, and the exchange that it carries at the moment.

It reads the answer, and tells the pool that it belongs to of every step; what becomes of the request is the pool's.
"""

from __future__ import annotations

from typing import Protocol

from harness.backends.openai_endpoint.answer import Answer, Encode, Wrong
from harness.backends.openai_endpoint.exchange import Exchange
from harness.backends.openai_endpoint.interface import Interface
from harness.backends.openai_endpoint.response import Malformed, Response
from harness.backends.openai_endpoint.wire import READ, WRITE, Wire, why
from harness.llm.request import Tokens

_SHOWN_ERROR = 1 << 16
"""Bytes of a body that is no answer that are kept for its message."""


class Pool(Protocol):
    """What a connection calls of those that it belongs to."""

    def opened(self) -> None:
        """A connection is open."""

    def watch(self, connection: Connection) -> None:
        """What a connection's wire wants has changed: wait for that."""

    def first_token(self, exchange: Exchange, tokens: Tokens) -> None:
        """The first tokens of an answer have come."""

    def progress(self, tokens: int) -> None:
        """So many more tokens of an answer have come, the first included."""

    def done(self, connection: Connection, exchange: Exchange, tokens: Tokens, claimed: int | None) -> None:
        """An answer is complete and sound; ``claimed``: its number of tokens as the server says, where it does."""

    def refused(self, connection: Connection, exchange: Exchange, response: Response, body: bytes) -> None:
        """A response is complete, and its status is not that of an answer."""

    def broken(self, connection: Connection, exchange: Exchange, what: str) -> None:
        """A response cannot be an answer; the rest of it is of no use. ``what``: the end of a sentence."""

    def lost(self, connection: Connection, how: str) -> None:
        """The connection ended before its response did, or while it carried none."""


class Connection:
    """A connection, being made or open.

    Args:
        wire: what it sends and receives by.
        pool: is told of what comes of it.
        interface: the API whose answers come.
        encode: what makes token ids of answers that come as text.
    """

    __slots__ = (
        "_answer",
        "_encode",
        "_error",
        "_interface",
        "_pool",
        "_streams",
        "_tells_first",
        "exchange",
        "fd",
        "heard",
        "response",
        "used",
        "waits_for",
        "wire",
    )

    def __init__(self, wire: Wire, pool: Pool, interface: Interface, encode: Encode | None) -> None:
        self.wire = wire
        self.fd = wire.fd
        self.waits_for = wire.wants
        """Events that the pool waits for."""
        self.exchange: Exchange | None = None
        """What it carries; None: it is idle."""
        self.response: Response | None = None
        """What has come of the last response."""
        self.used = False
        """Whether it has carried a response."""
        self.heard = 0.0
        """When its answer got further last, or the request was sent."""
        self._pool = pool
        self._interface = interface
        self._encode = encode
        self._streams = interface.streams
        self._tells_first = interface.generation.streaming
        self._answer: Answer | None = None
        self._error = b""

    @property
    def begun(self) -> bool:
        """Whether its answer has begun to come: tokens of a stream, anything of a whole one."""
        if self._answer is None or self.response is None:
            return False
        return self._answer.made > 0 if self._streams else self.response.begun

    @property
    def reusable(self) -> bool:
        """Whether it may carry another exchange, once its response is complete."""
        return self.response is not None and self.response.keep_alive and self.wire.sent

    def rest(self) -> None:
        """Be idle, after a response."""
        self.exchange = None
        self.used = True

    def send(self, exchange: Exchange, request: bytes, now: float) -> None:
        """Send a request; once the connection is open, where it is not yet."""
        self.exchange, self.response = exchange, Response()
        self._answer, self._error = Answer(self._interface, self._encode), b""
        self.heard = now
        if not self.wire.open:
            self.wire.hold(request)
            return
        try:
            self.wire.send(request)
        except OSError as error:
            self._pool.lost(self, why(error))
            return
        if self.wire.wants != self.waits_for:
            self._pool.watch(self)

    def handle(self, mask: int, now: float) -> None:
        """Get on, upon an event."""
        wire = self.wire
        try:
            if not wire.open:
                if wire.advance():
                    self._pool.opened()
                    self.heard = now
                    wire.send()
            elif mask & WRITE:
                wire.send()
            if wire.wants != self.waits_for:
                self._pool.watch(self)
            data = wire.receive() if wire.open and mask & READ else None
        except OSError as error:
            self._pool.lost(self, why(error))
            return
        if data is not None:
            self._receive(data, now)

    def _receive(self, data: bytes, now: float) -> None:
        pool, exchange, response = self._pool, self.exchange, self.response
        if exchange is None or response is None:
            pool.lost(self, "idle")  # closed by the server, or no sense in what came
            return
        try:
            if data:
                headless = not response.status
                body = response.feed(data)
                if headless and response.status:
                    self.heard = now
                if body:
                    self._take(exchange, response, body, now)
            elif not response.end():
                pool.lost(self, "closed by the server")
                return
            if not response.complete:
                return
            if response.status != 200:
                pool.refused(self, exchange, response, self._error)
                return
            assert self._answer is not None
            tokens = self._answer.finish()
        except (Malformed, Wrong) as error:
            pool.broken(self, exchange, str(error))
        else:
            pool.done(self, exchange, tokens, self._answer.usage)

    def _take(self, exchange: Exchange, response: Response, body: bytes, now: float) -> None:
        if response.status != 200:
            if len(self._error) < _SHOWN_ERROR:
                self._error += body
            return
        answer = self._answer
        assert answer is not None
        before = answer.made
        answer.take(body)
        if not self._streams:
            if not body.isspace():  # which some send to keep a connection
                self.heard = now
        elif answer.made > before:
            self.heard = now
            if self._tells_first and not before:
                self._pool.first_token(exchange, answer.first())
            self._pool.progress(answer.made - before)
