"""Wire: one TCP connection that never blocks, with TLS where the address says so."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
from typing import Any

from harness.backends.openai_endpoint.address import Address

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_AT_ONCE = 1 << 15
"""Bytes taken at a time: more would cost a larger buffer for each of the small events of a stream."""

_TRIAL_SECONDS = 5.0

Resolved = tuple[int, tuple[Any, ...]]
"""Family and socket address."""


def resolve(address: Address) -> Resolved:
    """Where to connect to: of the host's socket addresses the first that takes a connection, else the last.

    Asked once a run; ``localhost`` is two of them, and servers often listen on one.

    Raises:
        OSError: when there is no such host.
    """
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    places = [(family, sockaddr) for family, _, _, _, sockaddr in found]
    for place in places[:-1]:
        with socket.socket(place[0], socket.SOCK_STREAM) as trial:
            trial.settimeout(_TRIAL_SECONDS)
            if trial.connect_ex(place[1]) == 0:
                return place
    return places[-1]


class Wire:
    """A connection being made, then open. Methods raise OSError when it is lost."""

    __slots__ = ("_handshakes", "_socket", "_tls", "_unsent", "fd", "open", "wants")

    def __init__(self, resolved: Resolved, host: str, context: ssl.SSLContext | None) -> None:
        family, sockaddr = resolved
        self._socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self._tls: ssl.SSLSocket | None = None
        self._unsent = b""
        self.open = False
        self._handshakes = False
        self.wants = WRITE
        """Events to wait for."""
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = self._socket.connect_ex(sockaddr)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            if context is not None:
                self._tls = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
                self._socket = self._tls
        except BaseException:
            self._socket.close()
            raise
        self.fd = self._socket.fileno()

    def advance(self) -> bool:
        """Get on with connecting, upon an event; whether it is open now."""
        if not self._handshakes:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
            self._handshakes = True
        if self._tls is not None:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.wants = READ
                return False
            except ssl.SSLWantWriteError:
                self.wants = WRITE
                return False
        self.wants = READ
        self.open = True
        return True

    def hold(self, data: bytes) -> None:
        """Keep data to send once it is open."""
        self._unsent = data

    def send(self, data: bytes = b"") -> None:
        """Send ``data`` after what is left of earlier data; what does not go waits for a WRITE event."""
        data = self._unsent + data if self._unsent else data
        try:
            while data:
                data = data[self._socket.send(data) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        self._unsent = data
        self.wants = READ | WRITE if data else READ

    @property
    def sent(self) -> bool:
        """Whether all data has gone."""
        return not self._unsent

    def receive(self) -> bytes | None:
        """What has come; empty at the connection's end, None when nothing has come yet."""
        try:
            data = self._socket.recv(_AT_ONCE)
            # What TLS has decrypted already raises no event.
            while self._tls is not None and self._tls.pending():
                data += self._socket.recv(self._tls.pending())
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLEOFError:
            return b""
        return data

    def close(self) -> None:
        """Close it, whatever its state."""
        self._socket.close()


def why(error: OSError) -> str:
    """Why a connection was lost, or not made, in the system's words."""
    return (error.strerror or str(error) or type(error).__name__).lower()
