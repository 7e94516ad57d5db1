"""Response: one HTTP/1.1 response out of the bytes of a connection, as they come; no sockets here.

Only what a client of a JSON API meets: a status, a few headers, and a body by length, in chunks, or up to the end.
"""

from __future__ import annotations

_HEAD_LIMIT = 1 << 16
_NO_BODY = (204, 304)


class Malformed(Exception):
    """What came is no HTTP response; the end of a sentence."""


class Response:
    """Takes bytes and gives those of the body. One object a response."""

    __slots__ = ("_chunked", "_held", "_left", "complete", "headers", "keep_alive", "status")

    def __init__(self) -> None:
        self.status = 0
        """0 until the head is complete."""
        self.headers: dict[str, str] = {}
        """Names in lower case."""
        self.complete = False
        self.keep_alive = True
        """Whether the connection may carry another request; true of a complete response only."""
        self._held = b""
        self._chunked = False
        self._left: int | None = None

    @property
    def begun(self) -> bool:
        """Whether any byte of it has come."""
        return self.status != 0 or bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take what came, one byte or more, and return what of it belongs to the body.

        Raises:
            Malformed: when it is no HTTP.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        if not self.status:
            rest = self._head(data)
            if rest is None:
                return b""
            data = rest
        if self.complete:
            self.keep_alive = self.keep_alive and not data
            return b""
        if self._chunked:
            return self._chunks(data)
        if self._left is None:
            return data
        if len(data) > self._left:
            self.keep_alive = False  # more than was announced
            data = data[: self._left]
        self._left -= len(data)
        self.complete = self._left == 0
        return data

    def end(self) -> bool:
        """The connection was closed. Whether the response is complete with it."""
        if self.status and not self._chunked and self._left is None:
            self.complete = True
        self.keep_alive = False
        return self.complete

    def _head(self, data: bytes) -> bytes | None:
        """Read the head, and return what follows it; None while it is not all there."""
        if not data.startswith(b"HTTP/1."[: len(data)]):
            raise Malformed(f"answered with what is no HTTP: {_shown(data)}")
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > _HEAD_LIMIT:
                raise Malformed(f"answered with headers of more than {_HEAD_LIMIT >> 10} KiB")
            self._held = data
            return None
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if not (code.isdecimal() and len(code) == 3):
            raise Malformed(f"answered with what is no HTTP: {_shown(data)}")
        after = data[end + 4 :]
        if code.startswith("1"):  # an interim response, such as 100 Continue, and the real one after it
            return self._head(after) if after else None
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise Malformed(f"answered with a header line without a colon: {line[:80]!r}")
            headers[name.strip().lower()] = value.strip()
        self.status, self.headers = int(code), headers
        self.keep_alive = version != "HTTP/1.0" and "close" not in headers.get("connection", "").lower()
        self._body_of(headers)
        return after

    def _body_of(self, headers: dict[str, str]) -> None:
        if self.status in _NO_BODY:
            self.complete = True
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._chunked = True
        elif "content-length" in headers:
            length = headers["content-length"]
            if not length.isdecimal():
                raise Malformed(f"answered with the length {length[:80]!r}")
            self._left = int(length)
            self.complete = self._left == 0
        else:
            self.keep_alive = False

    def _chunks(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        at = 0
        while True:
            line = data.find(b"\r\n", at)
            if line < 0:
                break
            size = _chunk_size(data[at:line])
            start = line + 2
            if size == 0:
                self._trailers(data, start, at)
                return b"".join(pieces)
            stop = start + size
            if len(data) < stop + 2:
                break
            if data[stop : stop + 2] != b"\r\n":
                raise Malformed("answered with a chunk of another length than it said")
            pieces.append(data[start:stop])
            at = stop + 2
        self._held = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _trailers(self, data: bytes, start: int, at: int) -> None:
        end = start if data.startswith(b"\r\n", start) else data.find(b"\r\n\r\n", start)
        if end < 0 or len(data) < start + 2:
            self._held = data[at:]
            return
        self.complete = True
        rest = end + (2 if end == start else 4)
        self.keep_alive = self.keep_alive and rest == len(data)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip() if b";" in line or line[-1:] in b" \t" else line
    try:
        size = int(digits, 16)
    except ValueError:
        size = -1
    if size < 0:
        raise Malformed(f"answered with a chunk whose size is {_shown(line)}")
    return size


def _shown(data: bytes) -> str:
    return repr(data[:60].decode("latin-1"))
