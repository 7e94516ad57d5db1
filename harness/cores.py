"""The processor cores that a child process may use: runners and data sets share them out among their threads."""

from __future__ import annotations

import os
from collections.abc import Sequence


def usable_cores() -> int:
    """Cores that this process may run on: containers and batch systems allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(workers: int, cores: Sequence[int]) -> tuple[int, ...]:
    """Share workers out among groups of cores, so that those with most cores for each worker get the next one.

    Args:
        workers: how many.
        cores: cores of each group, one or more.

    Returns:
        The group of each worker, as a position in ``cores``.
    """
    counts = [0] * len(cores)
    groups = []
    for _ in range(workers):
        group = max(range(len(cores)), key=lambda group: cores[group] / (counts[group] + 1))
        counts[group] += 1
        groups.append(group)
    return tuple(groups)
