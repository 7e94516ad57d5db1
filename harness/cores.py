"""The processor cores that a child process may use: runners and data sets share them out among their threads."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may run on: containers and batch systems allow fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
