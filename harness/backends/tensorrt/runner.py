"""Runs a plan of TensorRT or TensorRT for RTX on GPUs: a worker for each, the least busy gets the next batch.

One crossing into CUDA puts a whole batch on its streams, samples go from the QSL to the GPU without a copy in between.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from queue import SimpleQueue
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.alone import Alone
from harness.backends.tensorrt.device import Device, Executable
from harness.backends.tensorrt.library import Library, open_library
from harness.backends.tensorrt.plan import open_plan
from harness.backends.tensorrt.store import Store
from harness.backends.tensorrt.streams import lay_out
from harness.backends.tensorrt.worker import Worker
from harness.benchmarks.dataset import Ragged
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ended, Ids, Indices, Sink
from harness.numa import Placement
from mlperf_registry.schema.problem import MlperfError, RunFailed
from mlperf_registry.schema.run import Run

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep Python's lock while another waits for it; Python's own 5 ms are a third of Server's bound
on ResNet-50's latency."""

OpenGpu = Callable[[Run, int], tuple[Device, Executable]]


class TensorRTRunner:
    """A Runner that the harness forms batches for."""

    batching: ClassVar[Literal["harness", "engine"]] = "harness"

    def __init__(self, open_gpu: OpenGpu | None = None) -> None:
        """Nothing is open yet.

        Args:
            open_gpu: gives the GPU of a CUDA index, attached, with the plan on it; in place of CUDA's.
        """
        self._open_gpu = open_gpu or open_cuda
        self._devices: list[Device] = []
        self._workers: list[Worker] = []
        self._store: Store | None = None
        self._qsl: QSL | None = None
        self._permits: SimpleQueue[None] = SimpleQueue()
        self._changed = threading.Condition()
        self._unreported = 0
        self._broken: Exception | None = None
        self._chosen = False
        self._alone: Alone | None = None
        """Who answers in the thread that submits: one query at a time keeps one GPU busy."""
        self._bound = threading.local()
        self._switch_interval = sys.getswitchinterval()

    def open(self, run: Run, qsl: QSL, sink: Sink) -> None:
        """Load the plan onto each GPU, reserve lanes, capture graphs and start threads.

        Where queries come one at a time, one GPU answers them all, and no other is opened.

        Raises:
            NotReady: when the library, a GPU or the plan is absent, or they do not fit each other.
            RunFailed: when memory is short, or the plan does not do what the config asks for.
        """
        workload = run.workload
        runtime, component = workload.runtime, workload.benchmark.components[0]
        batch_size = workload.builder.samples_at_once(component)
        self._gather = getattr(workload.backend.options, "gather", "auto")
        self._sink = sink
        self._placement = Placement.of(runtime.numa_config)
        gpus = runtime.gpu_indices or range(max(1, workload.system.accelerator_count or 1))
        for gpu in gpus:
            node = self._placement.node_of(gpu)
            with self._placement.bound(node):
                device, plan = self._open_gpu(run, gpu)
                self._devices.append(device)
                if batch_size > plan.max_batch:
                    raise RunFailed(
                        f"{workload.builder.batch_field} is {batch_size}, and the plan takes batches of up to "
                        f"{plan.max_batch}: build it again."
                    )
                streams = lay_out(
                    runtime,
                    workload.scenario.name,
                    max_batch=plan.max_batch,
                    samples_per_query=workload.loadgen.multi_stream_samples_per_query,
                )
                worker = Worker(
                    device,
                    plan,
                    streams,
                    self,
                    output_name=workload.model.output_name,
                    bind=partial(self._placement.bind_thread, node),
                )
                self._workers.append(worker)
                if runtime.use_graphs and (note := worker.capture()) is not None:
                    _log(note)
            if streams.inline:
                if len(gpus) > 1:
                    _log(f"GPU {gpu} answers alone: one query at a time keeps no other busy.")
                break
        in_place = runtime.start_from_device
        if runtime.use_direct_host_access:
            if not all(device.shares_memory for device in self._devices):
                _log("runtime.use_direct_host_access has no effect: a GPU here has memory of its own.")
            else:
                in_place = True
                if any(worker.captured for worker in self._workers):
                    _log("runtime.use_direct_host_access has no effect with runtime.use_graphs: graphs copy samples.")
        self._in_place = in_place
        self._store = Store(self._devices, self._workers[0].tensors.inputs, on_device=runtime.start_from_device)
        self._qsl = qsl
        qsl.tell(self)
        own_threads = not streams.inline and (len(self._workers) > 1 or runtime.use_cuda_thread_per_device)
        for worker in self._workers:
            worker.start(submits=own_threads)
            for _ in worker.lanes:
                self._permits.put(None)
        self._binds_submitter = not own_threads
        if streams.inline:
            self._alone = Alone(self._workers[0], qsl)
        else:
            sys.setswitchinterval(min(self._switch_interval, SWITCH_INTERVAL_S))

    @property
    def depth(self) -> int:
        """Batches in flight at most, and one more for each GPU that waits to be. 0 until open."""
        return sum(len(worker.lanes) + (not worker.streams.inline) for worker in self._workers)

    # What the QSL tells.

    def hold(self, columns: Mapping[str, npt.NDArray[np.generic] | Ragged]) -> None:
        """Samples are loaded: let the GPUs read them, and the first time measure how.

        Raises:
            RunFailed: when they are not what the plan takes, memory is short, or they cannot be gathered.
        """
        assert self._store is not None
        addresses = self._store.hold(columns)
        count = len(next(iter(columns.values())))
        choosing = not self._chosen and count > 0
        for worker, sources in zip(self._workers, addresses, strict=True):
            worker.device.attach()
            for lane in worker.lanes:
                lane.take_from(sources, in_place=self._in_place)
            if choosing:
                choice = worker.choose_way(self._gather, count)
                _log(f"GPU {worker.device.number}: {choice.why}")
        self._chosen |= choosing

    def drop(self) -> None:
        """Samples go; all of them are answered by then."""
        if self._store is not None and not any(device.broken() for device in self._devices):
            self._store.drop()

    # What the harness calls.

    def submit(self, ids: Ids, indices: Indices) -> None:
        """Put one batch on its way; blocks while every lane has one.

        Raises:
            KeyError: when a sample is not loaded.
            RunFailed: when a GPU does no more work.
        """
        assert self._qsl is not None
        if self._alone is not None:
            try:
                self._alone.begin(indices.tolist())
                outputs = self._alone.end()
            except Ended:
                raise
            except RunFailed as error:
                self._sink.fail(ids, str(error))
            else:
                self._sink.complete(ids, outputs)
            return
        slots = self._qsl.slots(indices)
        self._permits.get()
        with self._changed:
            if self._broken is not None:
                self._permits.put(None)
                raise self._broken
            self._unreported += 1
            worker = max(self._workers, key=_idleness)
            lane = worker.take()
        if self._binds_submitter:
            self._bind_once(worker)
        worker.submit(lane, ids, slots)

    @property
    def immediate(self) -> Alone | None:
        """See AtOnce."""
        return self._alone

    def drain(self) -> None:
        """Return when every sample submitted has been reported.

        Raises:
            RunFailed: when a GPU does no more work.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._unreported or self._broken is not None)
            broken = self._broken if self._alone is None else self._alone.ended
            if broken is not None:
                raise broken

    def close(self) -> None:
        """End the threads, after what they hold, and free everything."""
        if self._qsl is not None:
            self._qsl.tell(None)
        for worker in self._workers:
            worker.stop()
        sys.setswitchinterval(self._switch_interval)
        try:
            self.drop()
        except MlperfError as error:
            _log(f"Samples could not be freed: {error}")
        self._store = None
        if self._alone is not None:
            self._alone.close()
            self._alone = None
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        gc.collect()  # contexts and plans go before their device
        for device in self._devices:
            try:
                device.attach()
            except MlperfError as error:
                _log(str(error))
            device.close()
        self._devices.clear()

    # What workers report.

    def released(self) -> None:
        """A lane is free."""
        self._permits.put(None)

    def finished(self, ids: Ids, outputs: npt.NDArray[np.generic]) -> None:
        """A batch is done."""
        try:
            self._sink.complete(ids, outputs)
        except Exception as error:
            self.ended(error)
        finally:
            self._reported()

    def failed(self, ids: Ids, error: Exception, fatal: bool) -> None:
        """A batch cannot be done."""
        if fatal:
            self.ended(error)
        try:
            self._sink.fail(ids, str(error))
        except Exception as worse:
            self.ended(worse)
        finally:
            self._reported()

    def ended(self, error: Exception) -> None:
        """No more batches are done: who submits and who drains is told."""
        with self._changed:
            self._broken = self._broken or error
            self._changed.notify_all()
        self._permits.put(None)  # wakes a submitter that waits for a lane

    def _reported(self) -> None:
        with self._changed:
            self._unreported -= 1
            if not self._unreported:
                self._changed.notify_all()

    def _bind_once(self, worker: Worker) -> None:
        if not getattr(self._bound, "done", False):
            self._placement.bind_thread(self._placement.node_of(worker.device.number))
            self._bound.done = True


def open_cuda(run: Run, gpu: int) -> tuple[Device, Executable]:
    """A GPU of this machine, attached, and the run's plan on it.

    Raises:
        NotReady: when the library, the GPU or the plan is absent, or they do not fit each other.
        RunFailed: when the plan cannot be loaded.
    """
    library = _library(run.workload.backend.name)
    from harness.backends.tensorrt.cuda import CudaDevice  # cuda-python, which open_library has asked for

    device = CudaDevice(gpu)
    return device, open_plan(run.engine, library, gpu=gpu, plugins=run.workload.builder.plugin_libraries)


@cache  # the libraries take one logger for a process
def _library(name: str) -> Library:
    return open_library(name)


def _idleness(worker: Worker) -> int:
    return len(worker.free)


def _log(line: str) -> None:
    # The child's stderr is the log of its test.
    print(line, file=sys.stderr, flush=True)
