"""The points of a multirun as values: which settings were swept, and which point is the best that counts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from mlperf_registry.schema.result import Metric, RunResult

_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
"""What Hydra's sweeper puts a backslash before, so that it can parse the override again."""

_TIME_UNITS = frozenset({"ns", "us", "usec", "ms", "s"})


@attrs.frozen
class Point:
    """One job of a multirun."""

    overrides: tuple[str, ...]
    """Its overrides, as on the command line."""
    result: RunResult | None
    """None where the job failed."""
    error: str | None
    """Why it failed."""

    @property
    def headline(self) -> Metric | None:
        """The figure the point is judged by."""
        return self.result.metrics[0] if self.result is not None and self.result.metrics else None


def lower_is_better(metric: Metric) -> bool:
    """Whether less of the metric is better: so it is with times."""
    return metric.unit in _TIME_UNITS


def best_point(points: Sequence[Point]) -> int | None:
    """Index of the best point whose result is good; None where there is none.

    Points are compared by their headline figure and must share its name and unit.
    """
    standing: dict[int, Metric] = {}
    for index, point in enumerate(points):
        if point.result is not None and point.result.good and point.headline is not None:
            standing[index] = point.headline
    if not standing or len({(metric.name, metric.unit) for metric in standing.values()}) > 1:
        return None
    sign = -1 if lower_is_better(next(iter(standing.values()))) else 1
    return max(standing, key=lambda index: sign * standing[index].value)


def swept(points: Sequence[Point]) -> tuple[str, ...]:
    """Keys of the overrides whose values differ between points, in the order they were given."""
    values: dict[str, set[str | None]] = {}
    parsed = [assignments(point) for point in points]
    for settings in parsed:
        values.update({key: set() for key in settings if key not in values})
    for key, seen in values.items():
        seen.update(settings.get(key) for settings in parsed)
    return tuple(key for key, seen in values.items() if len(seen) > 1)


def assignments(point: Point) -> dict[str, str]:
    """Key to value of the point's overrides; a word without ``=`` stands for itself."""
    return dict(_ESCAPED.sub(r"\1", override).partition("=")[::2] for override in point.overrides)


def report_link(result: RunResult, folder: Path) -> str | None:
    """Path of the run's report relative to ``folder``; a relative ``result.report`` lies in ``result.log_dir``."""
    if result.report is None:
        return None
    return Path(os.path.relpath(Path(result.log_dir) / result.report, folder)).as_posix()
