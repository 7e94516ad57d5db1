"""What a GPU and the child process do meanwhile: memory, clock and power each second, for growth and for throttling."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import pynvml

_CHILD = b"harness.loadgen.child"
_MB = 1_000_000
EDGE_SECONDS = 10.0
"""Growth is between the medians of so long a time at either end."""


@attrs.frozen(kw_only=True)
class Moment:
    """One look; None for what nobody tells."""

    at: float
    """time.monotonic()."""
    resident_mb: float | None
    """Memory of the child that holds data: grows as memory is first written, whenever it was reserved."""
    mapped_mb: float | None
    """Address space of the child: grows with what the kernel is asked for, not as small allocations fill a reserve."""
    gpu_mb: float | None
    clock_mhz: float | None
    power_w: float | None


class Watch:
    """Looks once a second, in a thread, between ``with`` and its end."""

    def __init__(self, gpu: int = 0) -> None:
        self._gpu = gpu
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.moments: list[Moment] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def during(self, start: float, end: float) -> list[Moment]:
        """The looks between two times of time.monotonic()."""
        return [moment for moment in self.moments if start <= moment.at <= end]

    def between(self, start: float, end: float) -> dict[str, Any]:
        """Medians of clock and power."""
        moments = self.during(start, end)
        return {name: _median(moments, name) for name in ("clock_mhz", "power_w")}

    def growth(self, start: float, end: float) -> dict[str, Any]:
        """By how many MB each kind of memory grew; None where nobody tells."""
        first = self.during(start, start + EDGE_SECONDS)
        last = self.during(end - EDGE_SECONDS, end)
        grown: dict[str, Any] = {}
        for name in ("resident_mb", "mapped_mb", "gpu_mb"):
            before, after = _median(first, name), _median(last, name)
            grown[name] = None if before is None or after is None else after - before
        return grown

    def _look(self) -> None:
        try:
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(self._gpu)
        except pynvml.NVMLError:
            handle = None
        while not self._over.wait(1.0):
            resident, mapped = _child_memory()
            self.moments.append(
                Moment(
                    at=time.monotonic(),
                    resident_mb=resident,
                    mapped_mb=mapped,
                    gpu_mb=_told(handle, lambda gpu: pynvml.nvmlDeviceGetMemoryInfo(gpu).used / _MB),
                    clock_mhz=_told(handle, lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)),
                    power_w=_told(handle, lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
                )
            )


def gpu_name(gpu: int = 0) -> str:
    """Name of the GPU and version of its driver."""
    try:
        pynvml.nvmlInit()
        name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(gpu))
        driver = pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError as error:
        return f"unknown GPU ({error})"
    return ", driver ".join(part.decode() if isinstance(part, bytes) else part for part in (name, driver))


def _told(handle: Any, ask: Callable[[Any], float]) -> float | None:
    if handle is None:
        return None
    try:
        return float(ask(handle))
    except pynvml.NVMLError:
        return None


def _child_memory() -> tuple[float | None, float | None]:
    """MB that our child with LoadGen in it holds and has mapped."""
    mine = f"PPid:\t{os.getpid()}\n"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            if mine in status and _CHILD in (folder / "cmdline").read_bytes():
                return _kilobytes(status, "VmRSS"), _kilobytes(status, "VmSize")
        except OSError:
            continue  # it ended meanwhile
    return None, None


def _kilobytes(status: str, name: str) -> float | None:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / _MB
    return None


def _median(moments: list[Moment], name: str) -> float | None:
    values = [value for moment in moments if (value := getattr(moment, name)) is not None]
    return median(values) if values else None
