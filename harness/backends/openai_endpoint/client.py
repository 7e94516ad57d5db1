"""Client: requests to one server over pooled HTTP/1.1 connections, on one thread with one selector.

A request is sent again only where no byte of a response has come or the server refused it, and so ends exactly once.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic, thread_time

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.answer import Encode, error_message
from harness.backends.openai_endpoint.backlog import Backlog
from harness.backends.openai_endpoint.connection import Connection
from harness.backends.openai_endpoint.credentials import headers, redacted
from harness.backends.openai_endpoint.exchange import Counts, Exchange, Limits
from harness.backends.openai_endpoint.interface import Interface
from harness.backends.openai_endpoint.refusal import FULL, REFUSED, delay
from harness.backends.openai_endpoint.reports import Reports
from harness.backends.openai_endpoint.response import Response
from harness.backends.openai_endpoint.room import Room
from harness.backends.openai_endpoint.wire import READ, Resolved, Wire, resolve, why
from harness.llm.core import Listener
from harness.llm.request import Request, Tokens

_CONNECTING = 64
"""Connections being made at a time: a burst of more overruns the queue of a listening socket."""
_REPORT_EVERY = 32
"""Events after which reports go out: first tokens must not wait for a thousand other answers to be read."""


class Client:
    """Sends requests and reports their ends. ``submit`` may be called from any thread.

    Args:
        address: the server's.
        interface: the API and its parameters.
        limits: of connections, retries and time.
        listener: told of first tokens, ends and failures, from the client's thread.
        encode: what makes token ids of answers that come as text.
        name: what reasons call the server; the address unless given.
    """

    def __init__(
        self,
        address: Address,
        interface: Interface,
        limits: Limits,
        listener: Listener,
        *,
        encode: Encode | None = None,
        name: str | None = None,
    ) -> None:
        self.counts = Counts()
        self._address = address
        self._interface = interface
        self._envelope = interface.envelope()
        self._limits = limits
        self._encode = encode
        self._name = name or str(address)
        self._head = _head(address, interface)
        self._tls = ssl.create_default_context() if address.tls else None
        self._resolved: Resolved | None = None
        self._inbox: deque[Request] = deque()
        self._backlog = Backlog()
        self._idle: list[Connection] = []
        self._connections: dict[int, Connection] = {}
        self._busy = 0
        self._connecting = 0
        self._now = monotonic()
        self._room = Room(limits.connections, limits.silence_s, self._now)
        self._reports = Reports(listener)
        self._next_look = self._now
        self._given_up: str | None = None
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, READ, None)
        self._thread = threading.Thread(target=self._run, name=f"client of {self._name}", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """Take requests; each ends in one ``finish`` or ``fail`` of the listener, unless ``close`` comes before."""
        self._inbox.extend(requests)
        self._wake()

    def give_up(self, reason: str) -> None:
        """Fail every request that has not ended, and every later one; the first reason given holds."""
        if self._given_up is None:
            self._given_up = reason
        self._wake()

    def close(self) -> None:
        """End at once, without a word on requests that have not ended."""
        self._closing = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it will wake without, or has ended
            self._waker.send(b"\0")

    # The thread.

    def _run(self) -> None:
        begun = thread_time()
        try:
            while not self._closing:
                self._turn()
                self.counts.cpu_s = thread_time() - begun
        except Exception as error:  # a fault of ours must fail requests, not leave them without an end
            self._given_up = f"The client failed: {type(error).__name__}: {error}."
            while not self._closing:
                self._fail_everything()
                self._reports.give()
                self._selector.select(1.0)
                self._drain_wakes()
        finally:
            for connection in list(self._connections.values()):
                connection.wire.close()
            self._selector.close()
            self._woken.close()
            self._waker.close()

    def _turn(self) -> None:
        self._take_in()
        if self._given_up is not None:
            self._fail_everything()
        self._start()
        self._reports.give()
        events = self._selector.select(self._patience())
        self._now = monotonic()
        for number, (key, mask) in enumerate(events, 1):
            connection: Connection | None = key.data
            if connection is None:
                self._drain_wakes()
            elif connection.fd in self._connections:  # not dropped by an earlier event of this turn
                connection.handle(mask, self._now)
            if number % _REPORT_EVERY == 0:
                self._reports.give()
        if self._now >= self._next_look:
            self._next_look = self._now + min(1.0, self._limits.silence_s / 4)
            self._look_for_silence()

    def _take_in(self) -> None:
        inbox = self._inbox
        while inbox:
            self._backlog.ready.append(Exchange(inbox.popleft()))
            self.counts.requests += 1
        self._backlog.ripen(self._now)

    def _drain_wakes(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _patience(self) -> float:
        until = min(self._backlog.next_due, self._room.asked_again_at)
        return max(0.0, min(until - self._now, 1.0, self._limits.silence_s / 4))

    def _start(self) -> None:
        ready, takes = self._backlog.ready, self._room.takes(self._now)
        while ready and self._busy < takes:
            if self._idle and not ready[0].fresh:
                self._send(self._idle.pop(), ready.popleft())
            elif self._connecting < _CONNECTING:
                self._connect(ready.popleft())
            else:
                return

    def _connect(self, exchange: Exchange) -> None:
        try:
            if self._resolved is None:
                self._resolved = resolve(self._address)
            wire = Wire(self._resolved, self._address.host, self._tls)
        except OSError as error:
            exchange.attempts += 1
            self._again(exchange, "no connection", f"takes no connection ({why(error)})")
            return
        connection = Connection(wire, self, self._interface, self._encode)
        self.counts.connections += 1
        self._connections[wire.fd] = connection
        self._selector.register(wire.fd, connection.waits_for, connection)
        self._connecting += 1
        self._send(connection, exchange)

    def _send(self, connection: Connection, exchange: Exchange) -> None:
        try:
            body = self._envelope.body(exchange.request)
        except ValueError as error:
            self._end_failed(exchange, str(error))
            self._idle.append(connection)
            return
        self._busy += 1
        exchange.attempts += 1
        request = b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body)
        connection.send(exchange, request, self._now)

    def _look_for_silence(self) -> None:
        limit = self._now - self._limits.silence_s
        for connection in list(self._connections.values()):
            exchange, connected = connection.exchange, connection.wire.open
            # A server that answers others has not lost the request: it waits for its turn there.
            in_turn = connected and not connection.begun and self._room.served >= limit
            if exchange is not None and connection.heard < limit and not in_turn:
                self._drop(connection)
                if connected:
                    self._fail(exchange, f"sent nothing for {self._limits.silence_s:g} s (backend.options.timeout)")
                else:
                    self._again(exchange, "no connection", "takes no connection (timed out)")

    def _drop(self, connection: Connection) -> None:
        del self._connections[connection.fd]
        self._selector.unregister(connection.fd)
        if not connection.wire.open:
            self._connecting -= 1
        if connection.exchange is None:
            self._idle.remove(connection)
        else:
            connection.exchange = None
            self._busy -= 1
        connection.wire.close()

    # The Pool that connections call.

    def opened(self) -> None:
        """See Pool."""
        self._connecting -= 1

    def watch(self, connection: Connection) -> None:
        """See Pool."""
        connection.waits_for = connection.wire.wants
        self._selector.modify(connection.fd, connection.waits_for, connection)

    def first_token(self, exchange: Exchange, tokens: Tokens) -> None:
        """See Pool."""
        self._reports.first_token(exchange.request, tokens)

    def progress(self, tokens: int) -> None:
        """See Pool."""
        self._room.served = self._now
        self._reports.progress += tokens

    def done(self, connection: Connection, exchange: Exchange, tokens: Tokens, claimed: int | None) -> None:
        """See Pool."""
        self._release(connection)
        self._room.answered(self._now)
        self.counts.answers += 1
        if self._encode is not None:
            self.counts.encoded_tokens += len(tokens)
            self.counts.claimed_tokens += claimed or 0
        self._reports.finish(exchange.request, tokens)

    def lost(self, connection: Connection, how: str) -> None:
        """See Pool."""
        exchange, opened = connection.exchange, connection.wire.open
        begun, used = connection.response is not None and connection.response.begun, connection.used
        self._drop(connection)
        if exchange is None:
            return
        if not opened:
            self._again(exchange, "no connection", f"takes no connection ({how})")
        elif begun:
            self._fail(exchange, f"ended the connection within an answer ({how})")
        elif used:
            # Servers close connections that are idle for some seconds: this one had not read the request.
            exchange.attempts -= 1
            exchange.fresh = True
            self.counts.retries["idle connection closed"] += 1
            self._backlog.ready.appendleft(exchange)
        else:
            self._again(exchange, "connection lost", f"ended the connection without an answer ({how})")

    def refused(self, connection: Connection, exchange: Exchange, response: Response, body: bytes) -> None:
        """See Pool."""
        self._release(connection)
        status = response.status
        said = f"answered {status}: {error_message(body)}"
        if 300 <= status < 400:
            said = (
                f"answered {status}, a redirection to {response.headers.get('location', 'nowhere')}: give that address"
            )
        if status == FULL:
            self._when_there_is_room(exchange, said, response.headers.get("retry-after"))
        elif status in REFUSED:
            self._again(exchange, f"{status} {REFUSED[status]}", said, response.headers.get("retry-after"))
        else:
            self._fail(exchange, said)

    def broken(self, connection: Connection, exchange: Exchange, what: str) -> None:
        """See Pool."""
        self._drop(connection)
        self._fail(exchange, what)

    def _release(self, connection: Connection) -> None:
        """A connection whose response is complete is used again, where it can be."""
        if connection.reusable:
            connection.rest()
            self._busy -= 1
            self._idle.append(connection)
        else:
            self._drop(connection)

    # Ends.

    def _again(self, exchange: Exchange, kind: str, what: str, retry_after: str | None = None) -> None:
        if exchange.attempts > self._limits.retries:
            self._fail(exchange, f"{what}, {exchange.attempts} times" if exchange.attempts > 1 else what)
            return
        self.counts.retries[kind] += 1
        self._backlog.postpone(exchange, self._now + delay(exchange.attempts, retry_after))

    def _when_there_is_room(self, exchange: Exchange, said: str, retry_after: str | None) -> None:
        exchange.attempts -= 1
        if self._room.refused(self._now, self._busy, retry_after):
            self.counts.retries[f"{FULL} {REFUSED[FULL]}"] += 1
            self._backlog.ready.appendleft(exchange)
        else:
            silence = f"{self._limits.silence_s:g} s (backend.options.timeout)"
            self._fail(exchange, f"{said}, and nothing else for {silence}")

    def _fail(self, exchange: Exchange, what: str) -> None:
        self._end_failed(exchange, f"{self._name} {redacted(what)}.")

    def _end_failed(self, exchange: Exchange, reason: str) -> None:
        self.counts.failures += 1
        self._reports.fail(exchange.request, reason)

    def _fail_everything(self) -> None:
        assert self._given_up is not None
        left = [connection.exchange for connection in self._connections.values()]
        for connection in list(self._connections.values()):
            self._drop(connection)
        left += self._backlog.clear()
        left += [Exchange(self._inbox.popleft()) for _ in range(len(self._inbox))]
        for exchange in left:
            if exchange is not None:
                self._end_failed(exchange, self._given_up)


def _head(address: Address, interface: Interface) -> bytes:
    """Request line and headers, up to the length of the body."""
    fields = {
        "Host": address.authority,
        "User-Agent": "mlperf-registry",
        "Accept": "text/event-stream" if interface.streams else "application/json",
        "Content-Type": "application/json",
        **headers(),
    }
    lines = [f"POST {address.prefix}{interface.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
