"""Client: requests to one server over pooled HTTP/1.1 connections, on one thread with one selector.

A request is sent again only where no byte of a response has come or the server refused it, and so ends exactly once.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import selectors
import socket
import ssl
import threading
from collections import Counter, deque
from collections.abc import Sequence
from time import monotonic, thread_time

import attrs

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.answer import Answer, Encode, Wrong, error_message
from harness.backends.openai_endpoint.credentials import headers, redacted
from harness.backends.openai_endpoint.interface import Interface
from harness.backends.openai_endpoint.response import Malformed, Response
from harness.backends.openai_endpoint.wire import READ, WRITE, Resolved, Wire, resolve
from harness.llm.core import Listener
from harness.llm.request import Request, Tokens

FULL = 429
REFUSED = {FULL: "too many requests", 502: "bad gateway", 503: "service unavailable"}
"""Statuses by which a server says that it has not begun: the request may be sent again."""

_CONNECTING = 64
"""Connections being made at a time: a burst of more overruns the queue of a listening socket."""
_REPORT_EVERY = 32
"""Events after which reports go out: first tokens must not wait for a thousand other answers to be read."""
_BACKOFF_S = 0.1
_FULL_WAIT_S = 1.0
"""Longest time before a full server is asked again that does not say when; and how long it gets no more requests at a
time than it has taken."""
_LONGEST_WAIT_S = 30.0
_SHOWN_ERROR = 1 << 16


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
class _Exchange:
    """A request on its way to its one end."""

    request: Request
    attempts: int = 0
    fresh: bool = False
    """Whether it must have a new connection, since a used one was closed under it."""


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
        self._listener = listener
        self._encode = encode
        self._name = name or str(address)
        self._head = _head(address, interface)
        self._tls = ssl.create_default_context() if address.tls else None
        self._resolved: Resolved | None = None
        self._inbox: deque[Request] = deque()
        self._waiting: deque[_Exchange] = deque()
        self._later: list[tuple[float, int, _Exchange]] = []
        self._order = itertools.count()
        self._idle: list[_Connection] = []
        self._connections: dict[int, _Connection] = {}
        self._busy = 0
        self._connecting = 0
        self._room = limits.connections
        """Requests under way that the server takes, as far as it has shown; 0 until it is asked again."""
        self._now = monotonic()
        self._roomier_from = self._trial_at = self._now
        self._full_since: float | None = None
        """When the server first said so after its last answer,"""
        self._trials = 0
        """and how often it was asked since with nothing under way."""
        self.served = self._now
        """When tokens or a whole answer came last, of any request."""
        self._next_look = self._now
        self._first: tuple[list[int], list[Tokens]] = ([], [])
        self._finished: tuple[list[int], list[Tokens]] = ([], [])
        self._failed: dict[str, list[int]] = {}
        self._progress = 0
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
                self._report()
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
        self._report()
        events = self._selector.select(self._patience())
        self._now = monotonic()
        for number, (key, mask) in enumerate(events, 1):
            connection: _Connection | None = key.data
            if connection is None:
                self._drain_wakes()
            elif connection.fd in self._connections:  # not dropped by an earlier event of this turn
                connection.handle(mask)
            if number % _REPORT_EVERY == 0:
                self._report()
        if self._now >= self._next_look:
            self._next_look = self._now + min(1.0, self._limits.silence_s / 4)
            self._look_for_silence()

    def _take_in(self) -> None:
        inbox = self._inbox
        while inbox:
            self._waiting.append(_Exchange(inbox.popleft()))
            self.counts.requests += 1
        while self._later and self._later[0][0] <= self._now:
            self._waiting.append(heapq.heappop(self._later)[2])

    def _drain_wakes(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _patience(self) -> float:
        until = self._later[0][0] if self._later else math.inf
        if not self._room:
            until = min(until, self._trial_at)
        return max(0.0, min(until - self._now, 1.0, self._limits.silence_s / 4))

    def _start(self) -> None:
        if not self._room and self._now >= self._trial_at:
            self._room = 1
        while self._waiting and self._busy < self._room:
            if self._idle and not self._waiting[0].fresh:
                self._send(self._idle.pop(), self._waiting.popleft())
            elif self._connecting < _CONNECTING:
                self._connect(self._waiting.popleft())
            else:
                return

    def _connect(self, exchange: _Exchange) -> None:
        try:
            if self._resolved is None:
                self._resolved = resolve(self._address)
            wire = Wire(self._resolved, self._address.host, self._tls)
        except OSError as error:
            exchange.attempts += 1
            self._again(exchange, "no connection", f"takes no connection ({_why(error)})")
            return
        connection = _Connection(self, wire)
        self.counts.connections += 1
        self._connections[wire.fd] = connection
        self._selector.register(wire.fd, wire.wants, connection)
        connection.waits_for = wire.wants
        self._connecting += 1
        self._send(connection, exchange)

    def _send(self, connection: _Connection, exchange: _Exchange) -> None:
        try:
            body = self._envelope.body(exchange.request)
        except ValueError as error:
            self._end_failed(exchange, str(error))
            self._idle.append(connection)
            return
        self._busy += 1
        exchange.attempts += 1
        connection.send(exchange, b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body))

    def _look_for_silence(self) -> None:
        limit = self._now - self._limits.silence_s
        for connection in list(self._connections.values()):
            exchange, connected = connection.exchange, connection.wire.open
            # A server that answers others has not lost the request: it waits for its turn there.
            in_turn = connected and not connection.begun and self.served >= limit
            if exchange is not None and connection.heard < limit and not in_turn:
                self._drop(connection)
                if connected:
                    self._fail(exchange, f"sent nothing for {self._limits.silence_s:g} s (backend.options.timeout)")
                else:
                    self._again(exchange, "no connection", "takes no connection (timed out)")

    def _drop(self, connection: _Connection) -> None:
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

    # What connections call.

    def opened(self) -> None:
        self._connecting -= 1

    def watch(self, connection: _Connection) -> None:
        """Wait for what a connection's wire wants."""
        connection.waits_for = connection.wire.wants
        self._selector.modify(connection.fd, connection.waits_for, connection)

    def first_token(self, exchange: _Exchange, tokens: Tokens) -> None:
        self._first[0].append(exchange.request.id)
        self._first[1].append(tokens)

    def progress(self, tokens: int) -> None:
        self._progress += tokens

    def done(self, connection: _Connection, exchange: _Exchange, tokens: Tokens) -> None:
        self.release(connection)
        self.served, self._full_since = self._now, None
        self.counts.answers += 1
        if self._room < self._limits.connections and self._now >= self._roomier_from:
            self._room += 1
        self._finished[0].append(exchange.request.id)
        self._finished[1].append(tokens)

    def release(self, connection: _Connection) -> None:
        """A connection whose response is complete is used again, where it can be."""
        assert connection.response is not None
        if connection.response.keep_alive and connection.wire.sent:
            connection.exchange = None
            connection.used = True
            self._busy -= 1
            self._idle.append(connection)
        else:
            self._drop(connection)

    def lost(self, connection: _Connection, why: str) -> None:
        """The connection ended before its response did."""
        exchange, opened = connection.exchange, connection.wire.open
        begun, used = connection.response is not None and connection.response.begun, connection.used
        self._drop(connection)
        if exchange is None:
            return
        if not opened:
            self._again(exchange, "no connection", f"takes no connection ({why})")
        elif begun:
            self._fail(exchange, f"ended the connection within an answer ({why})")
        elif used:
            # Servers close connections that are idle for some seconds: this one had not read the request.
            exchange.attempts -= 1
            exchange.fresh = True
            self.counts.retries["idle connection closed"] += 1
            self._waiting.appendleft(exchange)
        else:
            self._again(exchange, "connection lost", f"ended the connection without an answer ({why})")

    def refused(self, connection: _Connection, exchange: _Exchange, response: Response, body: bytes) -> None:
        """A complete response that is no answer."""
        self.release(connection)
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

    def broken(self, connection: _Connection, exchange: _Exchange, what: str) -> None:
        """A response that cannot be an answer; the rest of it is of no use."""
        self._drop(connection)
        self._fail(exchange, what)

    # Ends.

    def _again(self, exchange: _Exchange, kind: str, what: str, retry_after: str | None = None) -> None:
        if exchange.attempts > self._limits.retries:
            self._fail(exchange, f"{what}, {exchange.attempts} times" if exchange.attempts > 1 else what)
            return
        self.counts.retries[kind] += 1
        due = self._now + _delay(exchange.attempts, retry_after)
        heapq.heappush(self._later, (due, next(self._order), exchange))

    def _when_there_is_room(self, exchange: _Exchange, said: str, retry_after: str | None) -> None:
        """A full server gets no more at a time than it has taken; where that is nothing, it is asked in a while."""
        exchange.attempts -= 1
        if self._full_since is None:
            self._full_since, self._trials = self._now, 0
        self._roomier_from = self._now + _FULL_WAIT_S
        silence = self._limits.silence_s
        if self._now - max(self._full_since, self.served) > silence:
            self._room = max(1, self._busy)
            self._fail(exchange, f"{said}, and nothing else for {silence:g} s (backend.options.timeout)")
            return
        self._room = min(self._room, self._busy)
        if not self._room:
            self._trials += 1
            delay = _delay(self._trials, retry_after)
            self._trial_at = self._now + (delay if retry_after else min(delay, _FULL_WAIT_S))
        self.counts.retries[f"{FULL} {REFUSED[FULL]}"] += 1
        self._waiting.appendleft(exchange)

    def _fail(self, exchange: _Exchange, what: str) -> None:
        self._end_failed(exchange, f"{self._name} {redacted(what)}.")

    def _end_failed(self, exchange: _Exchange, reason: str) -> None:
        self.counts.failures += 1
        self._failed.setdefault(reason, []).append(exchange.request.id)

    def _fail_everything(self) -> None:
        assert self._given_up is not None
        left = [connection.exchange for connection in self._connections.values()]
        for connection in list(self._connections.values()):
            self._drop(connection)
        left += [*self._waiting, *(exchange for _, _, exchange in self._later)]
        left += [_Exchange(self._inbox.popleft()) for _ in range(len(self._inbox))]
        self._waiting.clear()
        self._later.clear()
        for exchange in left:
            if exchange is not None:
                self._end_failed(exchange, self._given_up)

    def _report(self) -> None:
        # Lists are given away whole: the listener may keep them.
        if self._first[0]:
            (ids, tokens), self._first = self._first, ([], [])
            self._listener.first_token(ids, tokens)
        if self._progress:
            progress, self._progress = self._progress, 0
            self._listener.progress(progress)
        if self._finished[0]:
            (ids, outputs), self._finished = self._finished, ([], [])
            self._listener.finish(ids, outputs)
        if self._failed:
            failed, self._failed = self._failed, {}
            for reason, ids in failed.items():
                self._listener.fail(ids, reason)


class _Connection:
    """A connection, and the exchange that it carries at the moment."""

    __slots__ = (
        "_answer",
        "_client",
        "_error",
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

    def __init__(self, client: Client, wire: Wire) -> None:
        self.wire = wire
        self.fd = wire.fd
        self.waits_for = 0
        self.exchange: _Exchange | None = None
        self.response: Response | None = None
        self.used = False
        """Whether it has carried a response."""
        self.heard = client._now
        """When its answer got further last, or the request was sent."""
        self._client = client
        self._streams = client._interface.streams
        self._tells_first = client._interface.generation.streaming
        self._answer: Answer | None = None
        self._error = b""

    @property
    def begun(self) -> bool:
        """Whether its answer has begun to come: tokens of a stream, anything of a whole one."""
        if self._answer is None or self.response is None:
            return False
        return self._answer.made > 0 if self._streams else self.response.begun

    def send(self, exchange: _Exchange, request: bytes) -> None:
        """Send a request; once the connection is open, where it is not yet."""
        client = self._client
        self.exchange, self.response = exchange, Response()
        self._answer, self._error = Answer(client._interface, client._encode), b""
        self.heard = client._now
        if not self.wire.open:
            self.wire.hold(request)
            return
        try:
            self.wire.send(request)
        except OSError as error:
            client.lost(self, _why(error))
            return
        if self.wire.wants != self.waits_for:
            client.watch(self)

    def handle(self, mask: int) -> None:
        """Get on, upon an event."""
        wire, client = self.wire, self._client
        try:
            if not wire.open:
                if wire.advance():
                    client.opened()
                    self.heard = client._now
                    wire.send()
            elif mask & WRITE:
                wire.send()
            if wire.wants != self.waits_for:
                client.watch(self)
            data = wire.receive() if wire.open and mask & READ else None
        except OSError as error:
            client.lost(self, _why(error))
            return
        if data is not None:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        client, exchange, response = self._client, self.exchange, self.response
        if exchange is None or response is None:
            client.lost(self, "idle")  # closed by the server, or no sense in what came
            return
        try:
            if data:
                headless = not response.status
                body = response.feed(data)
                if headless and response.status:
                    self.heard = client._now
                if body:
                    self._take(exchange, response, body)
            elif not response.end():
                client.lost(self, "closed by the server")
                return
            if not response.complete:
                return
            if response.status != 200:
                client.refused(self, exchange, response, self._error)
                return
            assert self._answer is not None
            tokens = self._answer.finish()
        except Malformed as error:
            client.broken(self, exchange, str(error))
        except Wrong as error:
            client.broken(self, exchange, str(error))
        else:
            if client._encode is not None:
                client.counts.encoded_tokens += len(tokens)
                client.counts.claimed_tokens += self._answer.usage or 0
            client.done(self, exchange, tokens)

    def _take(self, exchange: _Exchange, response: Response, body: bytes) -> None:
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
                self.heard = self._client._now
        elif answer.made > before:
            client = self._client
            self.heard = client.served = client._now
            if self._tells_first and not before:
                client.first_token(exchange, answer.first())
            client.progress(answer.made - before)


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


def _delay(attempts: int, retry_after: str | None) -> float:
    """Seconds before the next attempt: what the server says in whole seconds, else longer each time."""
    if retry_after is not None and retry_after.isdecimal():
        return min(max(float(retry_after), _BACKOFF_S), _LONGEST_WAIT_S)
    return min(_BACKOFF_S * 2.0 ** min(attempts - 1, 10), _LONGEST_WAIT_S)


def _why(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
