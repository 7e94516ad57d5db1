"""Address: where a server listens, and what we call it. Keys have no place in it."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Address:
    """A server's address, without a path of the API."""

    host: str
    port: int
    tls: bool = False
    prefix: str = ""
    """What stands before ``/v1`` in its paths, as gateways have it."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``host:port`` or ``http[s]://host[:port][/prefix][/v1]``.

        Raises:
            ValueError: with what is wrong, as the end of a sentence.
        """
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in _PORTS:
            raise ValueError(f"has the scheme {parts.scheme!r}, not http or https")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("must be no more than scheme, host, port and path; a key belongs in $OPENAI_API_KEY")
        if not parts.hostname:
            raise ValueError("names no host")
        try:
            port = parts.port
        except ValueError:
            raise ValueError("has a port that is no number up to 65535") from None
        prefix = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
        return cls(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", prefix)

    @property
    def authority(self) -> str:
        """Host and port as the header ``Host`` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.authority}{self.prefix}"
