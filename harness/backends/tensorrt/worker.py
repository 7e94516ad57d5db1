"""Worker: one GPU of a run, with its lanes and the threads that feed it and wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.device import Device, Executable, Way
from harness.backends.tensorrt.gather import Choice, choose
from harness.backends.tensorrt.lane import Engine, Lane, Slots, Tensors, only_output
from harness.backends.tensorrt.streams import Streams
from harness.loadgen.runner import Ended, Ids
from mlperf_registry.schema.problem import MlperfError

_TRIALS = 2
"""The first shows what preparing costs, the second what gathering costs."""
_TURNS, _TURNS_ALONE = 4, 50
"""Batches for each lane in a trial; of the second, smaller ones, one at a time."""


class Reports(Protocol):
    """Where a worker reports."""

    def released(self) -> None:
        """A lane is free."""

    def finished(self, ids: Ids, outputs: npt.NDArray[np.generic]) -> None:
        """A batch is done; outputs, shape [n, ...], belong to the taker."""

    def failed(self, ids: Ids, error: Exception, fatal: bool) -> None:
        """A batch cannot be done; ``fatal`` where no other can either."""

    def ended(self, error: Exception) -> None:
        """No more batches are done."""


class Worker:
    """One GPU. ``take`` is guarded by the caller's lock, for all GPUs at once; lanes come back by an append alone."""

    def __init__(
        self,
        device: Device,
        plan: Executable,
        streams: Streams,
        reports: Reports,
        *,
        output_name: str | None,
        bind: Callable[[], None],
    ) -> None:
        """Reserve lanes; the calling thread has attached the device.

        Args:
            device: the GPU.
            plan: loaded onto it.
            streams: how many of everything.
            reports: told of each batch.
            output_name: the output to report; None for an only one.
            bind: puts a thread near the GPU.

        Raises:
            RunFailed: when memory is short, or the plan does not fit.
        """
        self.device = device
        self.streams = streams
        self.tensors = Tensors(
            inputs=plan.inputs,
            outputs=plan.outputs,
            reported=only_output(plan.outputs, output_name),
            max_batch=plan.max_batch,
            static_batch=plan.static_batch,
        )
        self._reports = reports
        self._bind = bind
        self.captured = False
        """Whether lanes execute graphs."""
        self._threads: list[threading.Thread] = []
        self._inbox: SimpleQueue[tuple[Lane, Ids, Slots] | None] | None = None
        self._flying: SimpleQueue[tuple[Lane, Ids] | None] = SimpleQueue()
        engines = []
        for profile in range(streams.contexts):
            stream = device.stream()
            engines.append(Engine(plan.context(profile, stream), stream))
            device.synchronize(stream)
        self.lanes = [
            Lane(
                device,
                engines[number % len(engines)],
                self.tensors,
                one_stream=streams.one_stream,
                waiting=streams.waiting,
                number=number,
            )
            for number in range(streams.lanes)
        ]
        self.free = list(self.lanes)
        """Lanes without a batch."""

    def enter(self) -> None:
        """Put the calling thread near the GPU, and attach it."""
        self._bind()
        self.device.attach()

    def start(self, *, submits: bool) -> None:
        """Start the threads; ``submits`` gives the worker one of its own to put batches on their way.

        Raises:
            RunFailed: when one of them cannot use the GPU.
        """
        if submits:
            self._inbox = SimpleQueue()
            self._start("submission", self._submit_all)
        for number in range(self.streams.completers):
            self._start(f"completion-{number}", self._complete_all)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        entered: SimpleQueue[Exception | None] = SimpleQueue()

        def body() -> None:
            try:
                self.enter()
            except Exception as error:
                entered.put(error)
                return
            entered.put(None)
            while True:
                try:
                    work()
                    break
                except Exception as fault:
                    # What is on its way is still waited for, so that nothing is freed under it.
                    self._reports.ended(fault)

        thread = threading.Thread(target=body, name=f"gpu{self.device.number}-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)
        # Batches for a thread that is not there would look like a GPU that hangs.
        error = entered.get()
        if error is not None:
            raise error

    def capture(self) -> str | None:
        """Capture graphs for all lanes, or say why it is done without."""
        try:
            for lane in self.lanes:
                lane.capture()
        except MlperfError as error:
            if self.device.broken():
                raise
            for lane in self.lanes:
                lane.give_up_graphs()
            return f"runtime.use_graphs has no effect: no graph could be captured. {error}"
        self.captured = True
        return None

    def choose_way(self, wanted: str, count: int) -> Choice:
        """Measure the ways to gather on loaded samples, and take the best from now on.

        Args:
            wanted: ``backend.options.gather``.
            count: loaded samples.

        Raises:
            RunFailed: see ``gather.choose``.
        """
        batch = self.tensors.max_batch
        draw = np.random.default_rng(0)
        batches = [draw.integers(0, count, batch) for _ in self.lanes]
        row_bytes = [tensor.row_bytes for tensor in self.tensors.inputs]
        choice = choose(
            self.device,
            wanted,
            row_bytes,
            lambda way: self._seconds(way, batches),
            batch,
            whole_graphs=self.streams.inline and self.captured,
        )
        self.gather_by(choice.way)
        return choice

    def gather_by(self, way: Way) -> None:
        """Gather in another way."""
        for lane in self.lanes:
            lane.gather_by(way, self.device.ways[way])

    def _seconds(self, way: Way, batches: list[Slots]) -> float:
        self.gather_by(way)
        if self.streams.inline:
            return self._seconds_alone(batches[0])
        count = len(batches[0])
        seconds = 0.0
        for _ in range(_TRIALS):
            begun = perf_counter()
            for turn in range(_TURNS * len(self.lanes)):
                lane = self.lanes[turn % len(self.lanes)]
                if turn >= len(self.lanes):
                    lane.collect(count)
                lane.enqueue(batches[lane.number])
            for lane in self.lanes:
                lane.collect(count)
            seconds = perf_counter() - begun
        return seconds / (_TURNS * len(self.lanes))

    def _seconds_alone(self, batch: Slots) -> float:
        (lane,) = self.lanes
        seconds = 0.0
        for _ in range(_TRIALS):
            begun = perf_counter()
            for _ in range(_TURNS_ALONE):
                lane.enqueue(batch)
                lane.end(len(batch))
            seconds = perf_counter() - begun
        return seconds / _TURNS_ALONE

    def take(self) -> Lane:
        """A free lane, of the engine that has least to do."""
        lane = min(self.free, key=self._busy)
        self.free.remove(lane)
        return lane

    def _busy(self, lane: Lane) -> int:
        return -sum(other.engine is lane.engine for other in self.free)

    def submit(self, lane: Lane, ids: Ids, slots: Slots) -> None:
        """Put a batch on its way, or have it put there."""
        if self._inbox is not None:
            self._inbox.put((lane, ids, slots))
        else:
            self._enqueue(lane, ids, slots)

    def settled(self, lane: Lane, error: Exception) -> tuple[Exception, bool]:
        """What to say of a batch that went wrong, once nothing of it is left; and whether it ends the GPU's work."""
        try:
            lane.settle()
        except Exception as worse:
            error = worse
        # What is no answer of CUDA's or the library's is a fault of this code, and says nothing of the next batch.
        fatal = self.device.broken() or not isinstance(error, MlperfError)
        if fatal and isinstance(error, MlperfError):
            error = Ended(f"GPU {self.device.number} does no more work in this process. {error}")
        return error, fatal

    def stop(self) -> None:
        """End the threads, after what they hold."""
        if self._inbox is not None:
            self._inbox.put(None)
        for thread in self._threads:
            if thread.name.endswith("submission"):
                thread.join()
        for _ in range(self.streams.completers):
            self._flying.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def close(self) -> None:
        """Let contexts and plan go, which must not outlive their device."""
        self.free.clear()
        self.lanes.clear()

    def _submit_all(self) -> None:
        assert self._inbox is not None
        while (batch := self._inbox.get()) is not None:
            self._enqueue(*batch)

    def _complete_all(self) -> None:
        while (batch := self._flying.get()) is not None:
            self._collect(*batch)

    def _enqueue(self, lane: Lane, ids: Ids, slots: Slots) -> None:
        try:
            self.device.attach()
            lane.enqueue(slots)
        except Exception as error:
            self._fail(lane, ids, error)
            return
        self._flying.put((lane, ids))

    def _collect(self, lane: Lane, ids: Ids) -> None:
        try:
            outputs = lane.collect(len(ids))
        except Exception as error:
            self._fail(lane, ids, error)
            return
        # First the lane, so that the next batch is on its way while this one is reported.
        self.free.append(lane)
        self._reports.released()
        self._reports.finished(ids, outputs)

    def _fail(self, lane: Lane, ids: Ids, error: Exception) -> None:
        error, fatal = self.settled(lane, error)
        self._reports.failed(ids, error, fatal=fatal)
        self.free.append(lane)
        self._reports.released()
