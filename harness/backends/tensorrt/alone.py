"""Alone: a GPU that has one query at a time, which the thread that asks puts on its way and waits for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.worker import Worker
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ended


class Alone:
    """Works with the only lane of a worker that has no threads."""

    def __init__(self, worker: Worker, qsl: QSL) -> None:
        """Nothing is under way; ``qsl`` is where samples are loaded."""
        self._worker = worker
        (self._lane,) = worker.lanes
        self._qsl = qsl
        self._entered = threading.local()
        """Whether the thread has entered the worker."""
        self._count = 0
        self.ended: Ended | None = None
        """Why the GPU does no more work, once it does none."""

    def begin(self, indices: Sequence[int]) -> None:
        """See Immediate.

        Raises:
            KeyError: when a sample is not loaded.
            RunFailed: when the batch cannot be executed; Ended when the GPU does no more work.
        """
        if self.ended is not None:
            raise self.ended
        self._count = len(indices)
        self._qsl.place(indices, self._lane.slots)
        try:
            if not getattr(self._entered, "yes", False):
                self._enter()
            self._lane.begin(self._count)
        except Exception as error:
            self._fail(error)

    def end(self) -> npt.NDArray[np.generic]:
        """See Immediate.

        Raises:
            RunFailed: as ``begin``.
        """
        try:
            return self._lane.end(self._count)
        except Exception as error:
            self._fail(error)

    def close(self) -> None:
        """Let the GPU go; whoever still knows this answers nothing any more."""
        del self._worker, self._lane

    def _enter(self) -> None:
        self._worker.enter()
        self._entered.yes = True

    def _fail(self, error: Exception) -> NoReturn:
        settled, _ = self._worker.settled(self._lane, error)
        if isinstance(settled, Ended):
            self.ended = settled
        if settled is error:
            raise error
        raise settled from error
