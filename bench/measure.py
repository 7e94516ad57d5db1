"""interleaved(): two things measured in turn, so that what the machine does meanwhile falls on both alike.

Every benchmark reports medians over such pairs; the spread says how far a single pair may mislead.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import attrs


@attrs.frozen
class Pairs:
    """Figures of two things, in the order measured."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def pairs(self) -> int:
        """How many."""
        return len(self.first)

    @property
    def ratios(self) -> tuple[float, ...]:
        """First over second, pair by pair."""
        return tuple(one / other for one, other in zip(self.first, self.second, strict=True))

    @property
    def ratio(self) -> float:
        """Median of the pairs' ratios."""
        return median(self.ratios)

    @property
    def first_median(self) -> float:
        """Median figure of the first."""
        return median(self.first)

    @property
    def second_median(self) -> float:
        """Median figure of the second."""
        return median(self.second)


def interleaved(first: Callable[[], float], second: Callable[[], float], pairs: int = 7) -> Pairs:
    """Measure both in turn, ``pairs`` times, after one unmeasured turn of each.

    Args:
        first, second: each does its work once and returns the figure measured.
        pairs: how often.
    """
    first()
    second()
    measured = [(first(), second()) for _ in range(pairs)]
    return Pairs(tuple(one for one, _ in measured), tuple(other for _, other in measured))


def spread(figures: tuple[float, ...]) -> float:
    """Distance of the extremes over the median: 0.1 means that single figures lie within about a tenth."""
    return (max(figures) - min(figures)) / median(figures)


def entry(figures: tuple[float, ...], unit: str) -> dict[str, Any]:
    """One figure of bench.json: its median, unit, number of pairs, and spread."""
    return {"value": median(figures), "unit": unit, "pairs": len(figures), "spread": spread(figures)}
