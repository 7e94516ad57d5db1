"""The API key: from the environment, into one header, and out of every message."""

from __future__ import annotations

import os

from mlperf_registry.schema.problem import NotReady

VARIABLE = "OPENAI_API_KEY"


def api_key() -> str | None:
    """The key, None where there is none.

    Raises:
        NotReady: when it cannot be a header's value.
    """
    key = os.environ.get(VARIABLE, "").strip()
    if not key.isascii() or not key.isprintable():
        raise NotReady(f"${VARIABLE} has characters that no key has: set it anew.")
    return key or None


def headers() -> dict[str, str]:
    """The header that carries the key; none without a key."""
    key = api_key()
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def redacted(text: str) -> str:
    """``text`` without the key, which a server's message may repeat."""
    key = os.environ.get(VARIABLE, "").strip()
    return text.replace(key, f"${VARIABLE}") if key else text
