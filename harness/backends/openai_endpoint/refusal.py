"""Refusal: the statuses by which a server says that it has not begun a request, and how long that one waits then."""

from __future__ import annotations

FULL = 429
REFUSED = {FULL: "too many requests", 502: "bad gateway", 503: "service unavailable"}
"""Statuses by which a server says that it has not begun: the request may be sent again."""

_SHORTEST_S = 0.1
_LONGEST_S = 30.0


def delay(attempts: int, retry_after: str | None) -> float:
    """Seconds before the next attempt: what the server says in whole seconds, else longer each time."""
    if retry_after is not None and retry_after.isdecimal():
        return min(max(float(retry_after), _SHORTEST_S), _LONGEST_S)
    return min(_SHORTEST_S * 2.0 ** min(attempts - 1, 10), _LONGEST_S)
