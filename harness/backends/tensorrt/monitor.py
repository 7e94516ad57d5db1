"""How far a build is, from the library's progress monitor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from harness.backends.tensorrt.library import Library

_EVERY_SECONDS = 1.0
_WIDTH = 24


def make_monitor(library: Library, report: Callable[[str], None]) -> Any:
    """An IProgressMonitor that tells ``report`` of the outermost phase, once a second or so."""

    class Monitor(library.trt.IProgressMonitor):  # type: ignore[misc,name-defined]
        """Called from threads of the library."""

        def __init__(self) -> None:
            library.trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._outermost: str | None = None
            self._told = time.monotonic()
            self._lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._steps[phase_name] = max(1, num_steps)
                if parent_phase is None:
                    self._outermost = phase_name

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._steps.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                now, steps = time.monotonic(), self._steps.get(phase_name)
                if steps is not None and phase_name == self._outermost and now - self._told >= _EVERY_SECONDS:
                    self._told = now
                    report(f"building {bar(min(1.0, (step + 1) / steps))}")
            return True  # False would cancel the build

    return Monitor()


def bar(share: float) -> str:
    """``[######      ]  50 %``."""
    filled = round(share * _WIDTH)
    return f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {share:4.0%}"
