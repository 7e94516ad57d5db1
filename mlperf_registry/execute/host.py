"""Facts about this machine that a result must carry: processor, memory, operating system, versions."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlperf_registry.detect import cpu
from mlperf_registry.detect.host import LiveHost
from mlperf_registry.schema.plugin import BackendPlugin
from mlperf_registry.schema.problem import NotReady

_UNINSTALLED = "uninstalled"
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
    return cpu.cpu_model(LiveHost()) or platform.processor() or platform.machine()


def cpu_device() -> str:
    """The processor as an engine key names it: architecture, model, and a digest of its instruction sets.

    A virtual machine may show the same model with other instruction sets, which an optimised engine depends on.
    """
    flags = _cpuinfo("flags") or _cpuinfo("Features")
    device = f"{platform.machine()} {cpu_model()}"
    if flags is None:
        return device
    digest = hashlib.sha256(" ".join(sorted(set(flags.split()))).encode()).hexdigest()
    return f"{device}, instruction sets {digest[:8]}"


def distribution_version(distribution: str) -> str:
    """Installed version of a distribution; ``uninstalled`` where its metadata is absent (a bare checkout)."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return _UNINSTALLED


def library_distribution(plugin: BackendPlugin) -> str | None:
    """The installed distribution that brings the engine library, such as onnxruntime-gpu for onnxruntime.

    Returns None for a backend that declares no distribution.

    Raises:
        NotReady: when none that is installed says its version, so that an engine could not be told from a stale one.
    """
    if plugin.distribution is None:
        return None
    if distribution_version(plugin.distribution) != _UNINSTALLED:
        return plugin.distribution
    for module in plugin.imports[:1]:
        for distribution in _distributions_with(module):
            if distribution_version(distribution) != _UNINSTALLED:
                return distribution
    raise NotReady(
        f"No installed distribution says the version of the backend {plugin.name}'s library, which its engines depend "
        f"on. Install it with pip: {plugin.distribution}."
    )


def library_version(plugin: BackendPlugin) -> str:
    """Name and version of the engine library, as an engine key has them; ``none`` for a backend that declares none.

    A library that was unpacked, not installed, says its version itself.

    Raises:
        NotReady: when nothing says it.
    """
    try:
        distribution = library_distribution(plugin)
    except NotReady:
        stated = _stated_version(plugin)
        if stated is None:
            raise
        return stated
    return "none" if distribution is None else f"{distribution} {distribution_version(distribution)}"


def library_versions(plugin: BackendPlugin) -> dict[str, str]:
    """Name of the engine library to its version; empty where none is declared. Raises as ``library_version``."""
    name, _, number = library_version(plugin).partition(" ")
    return {name: number} if number else {}


def _distributions_with(module: str) -> Iterator[str]:
    """Installed distributions with a top-level module, as ``packages_distributions`` finds them.

    That one parses the metadata and the list of files of them all.
    """
    # A package, or a module in one file: acme.py, acme.cpython-311-x86_64-linux-gnu.so.
    inside = re.compile(rf"^{re.escape(module)}(/|(\.[\w-]+)?\.(py|so),)", re.MULTILINE)
    for distribution in distributions():
        declared = (distribution.read_text("top_level.txt") or "").split()
        if module in declared or (not declared and inside.search(distribution.read_text("RECORD") or "")):
            yield distribution.metadata["Name"]


def _stated_version(plugin: BackendPlugin) -> str | None:
    """The version that the library's package states in its source: importing it may take a second, and need a GPU."""
    module = next(iter(plugin.imports), None)
    spec = None if module is None else find_spec(module)
    if spec is None or spec.origin is None:
        return None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        stated = re.search(
            r"""^__version__ *= *["']([^"']+)["']""", Path(spec.origin).read_text(encoding="utf-8"), re.M
        )
        return None if stated is None else f"{module} {stated[1]}"
    return None


def versions(*more: str) -> dict[str, str]:
    """Distribution to version, for those that a result always names and ``more``."""
    return {name: distribution_version(name) for name in (*_REPORTED, *more)}


def _cpuinfo(key: str) -> str | None:
    """What Linux says of the first processor under ``key``; None where it says nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    found = (value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == key)
    return next(found, None)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
