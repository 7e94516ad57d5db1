"""Facts about this machine that a result must carry: processor, memory, operating system, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_REPORTED = ("mlperf-registry", "mlcommons-loadgen", "hydra-core", "omegaconf", "attrs", "numpy", "onnx")


def host_facts() -> dict[str, Any]:
    """Processor model, usable cores, memory in bytes, operating system and Python of this machine."""
    return {
        "cpu": cpu_model(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def cpu_model() -> str:
    """The processor's name, or its architecture where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def distribution_version(distribution: str) -> str:
    """Installed version of a distribution; ``uninstalled`` where its metadata is absent (a bare checkout)."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "uninstalled"


def versions(*more: str) -> dict[str, str]:
    """Distribution to version, for those that a result always names and ``more``."""
    return {name: distribution_version(name) for name in (*_REPORTED, *more)}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
