"""TTFT and TPOT of a run beside the limits that LoadGen held them to, for tables and plots over many runs.

A sweep over arrival rates asks which rate still keeps both, which the rate alone does not tell.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from mlperf_registry.report.points import Point
from mlperf_registry.schema.result import RunResult

_DECIDES = "99.00"
"""The percentile that rounds bound, as LoadGen spells it."""


@attrs.frozen
class TokenLatency:
    """One of the two latencies of tokens."""

    name: str
    """As people say it."""
    field: str
    """Of the result; the limit's is the same with ``_limit``."""

    @property
    def head(self) -> str:
        """A column's."""
        return f"{self.name} p99"

    def of(self, result: RunResult) -> float | None:
        """Its p99 in ns; None where the run has none."""
        percentiles: dict[str, float] = getattr(result, self.field) or {}
        return percentiles.get(_DECIDES)

    def limit(self, result: RunResult) -> int | None:
        """What the p99 must keep, in ns; None where nothing bounds it."""
        limit: int | None = getattr(result, f"{self.field}_limit")
        return limit

    def kept(self, result: RunResult) -> bool:
        """Whether the p99 is within its limit; so is what has none."""
        value, limit = self.of(result), self.limit(result)
        return value is None or limit is None or value <= limit


BOTH = (TokenLatency("TTFT", "ttft"), TokenLatency("TPOT", "tpot"))


def measured(points: Iterable[Point]) -> tuple[TokenLatency, ...]:
    """Those that some point has."""
    results = [point.result for point in points if point.result is not None]
    return tuple(latency for latency in BOTH if any(latency.of(result) is not None for result in results))
