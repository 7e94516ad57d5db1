"""A GPU that is not there: streams, events and engines of copying and computing in simulated time, on real memory.

What is put on a stream has its effect on memory only when its time has come and somebody has waited for it, so work in
a wrong order gives wrong answers, and a result that is read too early is not there yet.
"""

from __future__ import annotations

import ctypes
import heapq
import threading
import time
import weakref
from itertools import count

import attrs
import numpy as np

from harness.backends.tensorrt.device import Do, Step
from harness.backends.tensorrt.record import PlanTensor
from mlperf_registry.schema.problem import RunFailed

MS = 1_000_000
COPY_IN, COMPUTE, COPY_OUT = "copy in", "compute", "copy out"

_thread = threading.local()
"""Which GPU is the thread's."""


@attrs.frozen
class Span:
    """Something that kept one engine of the GPU busy; times in ns of the GPU's clock."""

    engine: str
    stream: int
    rows: int
    start: int
    end: int


class WallClock:
    """The time that passes: work takes the GPU as long as it says, and the host as long as it does."""

    def now(self):
        return time.monotonic_ns()

    def wait_until(self, then):
        """Return at ``then``."""
        left = then - self.now()
        if left > 0:
            time.sleep(left / 1e9)


class FastHost:
    """A clock that stands still while the host is at work, so that a loaded machine changes no figure.

    Time passes when somebody waits for the GPU, and ``has_more()`` says that nobody else has work to put on it. A host
    that has, and does not put it within some seconds, waits for something itself: it will be late.
    """

    def __init__(self, has_more):
        self._has_more = has_more
        self._now = time.monotonic_ns()

    def now(self):
        return self._now

    def wait_until(self, then):
        """Make it ``then``."""
        patience = time.monotonic() + 2
        while self._has_more() and time.monotonic() < patience:
            time.sleep(0.0005)
        self._now = max(self._now, then)


def view(address, size):
    """Memory as bytes."""
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), np.uint8)


class SimulatedGpu:
    """A Device. ``copy_ns`` and ``kernel_ns`` are for each sample, ``execute_ns`` and ``back_ns`` for each batch."""

    def __init__(
        self,
        number=0,
        *,
        copy_ns=0,
        batch_ns=None,
        kernel_ns=None,
        execute_ns=0,
        back_ns=0,
        shares_memory=False,
        memory=1 << 40,
        pins=True,
    ):
        self.number, self.shares_memory = number, shares_memory
        self.ways = {"copies": 0}
        self.per_sample = {Do.GATHER_COPIES: copy_ns}
        if batch_ns is not None:
            self.ways["batch"], self.per_sample[Do.GATHER_BATCH] = 0, batch_ns
        if kernel_ns is not None:
            self.ways["kernel"], self.per_sample[Do.GATHER_KERNEL] = 77, kernel_ns
            self.ways["graph"], self.per_sample[Do.KERNEL] = 77, kernel_ns
        self.lacking = "" if len(self.ways) == 4 else "This GPU is simulated."
        self.execute_ns, self.back_ns = execute_ns, back_ns
        self.memory, self.pins = memory, pins
        self.clock = WallClock()
        self.spans = []
        self.waits = []
        self.crossings = 0
        self.fault = None
        """Called with each step before it is taken; may raise."""
        self.dead = None
        self.closed = False
        self._handles = count(1)
        self._order = count()
        self._lock = threading.RLock()
        self._tail, self._come, self._busy = {}, {}, dict.fromkeys((COPY_IN, COMPUTE, COPY_OUT), 0)
        self._effects = []
        self._held, self._host, self._pinned = {}, {}, {}
        self._graphs, self._capturing = {}, {}
        self.attach()

    def attach(self):
        _thread.number = self.number

    def _require_attached(self):
        """As CUDA does, and the library: work for one GPU is refused while another is the thread's."""
        assert getattr(_thread, "number", None) == self.number, f"GPU {self.number} is not this thread's"

    def stream(self):
        stream = next(self._handles)
        self._tail[stream] = 0
        return stream

    def event(self, waiting=None):
        event = next(self._handles)
        self._come[event] = 0
        return event

    def allocate(self, size, purpose, cure):
        if size > self.memory:
            raise RunFailed(f"CUDA does not give {size} bytes for {purpose}: lower {cure}.")
        self.memory -= size
        # Aligned as CUDA's memory is.
        raw = np.zeros(size + 256, np.uint8)
        address = -(-raw.ctypes.data // 256) * 256
        self._held[address] = raw
        return address

    def free(self, address):
        self.memory += len(self._held.pop(address)) - 256

    def pinned(self, size, purpose):
        # Aligned as CUDA's memory is.
        raw = np.zeros(size + 256, np.uint8)
        first = -raw.ctypes.data % 256
        memory = raw[first : first + size]
        self._host[memory.ctypes.data] = memory
        return memory

    def unpinned(self, memory):
        del self._host[memory.ctypes.data]

    def pin(self, array):
        if self.pins:
            self._pinned[array.ctypes.data] = array
        return self.pins

    def unpin(self, array):
        del self._pinned[array.ctypes.data]

    def address_of(self, array):
        return array.ctypes.data

    def copy_in(self, address, array):
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def run(self, steps):
        self._require_attached()
        self.crossings += 1
        with self._lock:
            for step in steps.array:
                if self.fault is not None:
                    self.fault(step)
                self._take(Step.from_buffer_copy(step))

    def _take(self, step):
        launches = self._capturing.get(step.stream)
        if launches is None:
            self._put(step)
        else:
            launches.append(lambda stream: self._put(step))

    def _put(self, step):
        if step.do in self.per_sample:
            is_kernel = step.do in (Do.GATHER_KERNEL, Do.KERNEL)
            engine = COMPUTE if is_kernel else COPY_IN
            assert step.object == (77 if is_kernel else 0)
            assert not is_kernel or step.source % 16 == 0, "misaligned address"
            slots = view(step.slots, 8 * step.rows).view(np.int64)
            to, source, size = step.to, step.source, step.row_bytes

            def gather():
                # Slots are read when the time has come, as a kernel reads them.
                rows = view(source, int(slots.max() + 1) * size).reshape(-1, size)
                view(to, len(slots) * size).reshape(-1, size)[:] = rows[slots]

            self.put(engine, step.stream, step.rows, step.rows * self.per_sample[step.do], gather)
        elif step.do == Do.COPY:
            to, source, size = step.to, step.source, step.rows * step.row_bytes
            effect = lambda: ctypes.memmove(to, source, size)  # noqa: E731
            self.put(COPY_OUT, step.stream, step.rows, self.back_ns, effect)
        elif step.do == Do.RECORD:
            self._come[step.object] = self._tail[step.stream]
        elif step.do == Do.WAIT:
            self._tail[step.stream] = max(self._tail[step.stream], self._come[step.object])
        elif step.do == Do.LAUNCH:
            for launch in self._graphs[step.object]:
                launch(step.stream)
        else:
            raise AssertionError(f"step {step.do} is not known here")

    def put(self, engine, stream, rows, duration, effect):
        """Something on a stream that needs an engine for a time, in ns."""
        with self._lock:
            start = max(self.clock.now(), self._tail[stream], self._busy[engine])
            end = self._tail[stream] = self._busy[engine] = start + duration
            self.spans.append(Span(engine, stream, rows, start, end))
            heapq.heappush(self._effects, (end, next(self._order), effect))

    def capturing(self, stream):
        """Where to put work instead while a stream is captured; None while it is not."""
        return self._capturing.get(stream)

    def capture(self, stream, work):
        self._require_attached()
        self._capturing[stream] = []
        try:
            work()
        finally:
            launches = self._capturing.pop(stream)
        graph = next(self._handles)
        self._graphs[graph] = launches
        return graph

    def discard(self, graph):
        del self._graphs[graph]

    def wait(self, event, waiting):
        self.waits.append(waiting)
        if self.dead is not None:
            raise self.dead
        self._pass(self._come[event])

    def synchronize(self, stream):
        if self.dead is not None:
            raise self.dead
        self._pass(self._tail[stream])

    def _pass(self, until):
        self.clock.wait_until(until)
        with self._lock:
            while self._effects and self._effects[0][0] <= until:
                heapq.heappop(self._effects)[2]()

    def broken(self):
        _thread.number = self.number
        return self.dead is not None

    def close(self):
        self.samples_left = len(self._pinned)
        self.closed = True


class SimulatedPlan:
    """A plan whose every sample is answered with ``answer`` of its first eight bytes."""

    def __init__(self, gpu, *, max_batch=16, static_batch=False, profiles=1, row=(2,), capturable=True):
        self.gpu, self.max_batch, self.static_batch, self.profiles = gpu, max_batch, static_batch, profiles
        self.inputs = (PlanTensor(name="number", is_input=True, dtype="int64", shape=row),)
        self.outputs = (PlanTensor(name="answer", is_input=False, dtype="int64", shape=(2,)),)
        self.capturable = capturable
        self.executed = []
        """Samples of each execution."""
        self.addresses = set()
        """Where inputs lay."""
        self.refuse = False
        self.contexts = weakref.WeakSet()

    def context(self, profile, stream):
        if profile >= self.profiles:
            raise RunFailed(f"The plan has {self.profiles} optimisation profiles.")
        made = SimulatedContext(self)
        self.contexts.add(made)
        return made


class SimulatedContext:
    def __init__(self, plan):
        self._plan, self._addresses, self._batch = plan, {}, None

    def bind(self, name, address):
        assert address % 256 == 0
        self._addresses[name] = address

    def set_batch(self, count):
        assert 1 <= count <= self._plan.max_batch
        assert not self._plan.static_batch or count == self._plan.max_batch
        self._batch = count

    def enqueue(self, stream):
        plan, rows = self._plan, self._batch
        if plan.refuse:
            raise RunFailed("TensorRT simulated did not enqueue a batch.")
        source, to = self._addresses["number"], self._addresses["answer"]
        row_bytes = plan.inputs[0].row_bytes
        plan.addresses.add(source)

        def effect():
            numbers = view(source, rows * row_bytes).reshape(rows, -1)[:, :8].copy().view(np.int64)[:, 0]
            view(to, rows * 16).view(np.int64).reshape(rows, 2)[:] = answer(numbers)

        def launch(stream):
            plan.executed.append(rows)
            plan.gpu.put(COMPUTE, stream, rows, plan.gpu.execute_ns, effect)

        launches = plan.gpu.capturing(stream)
        if launches is None:
            launch(stream)
        elif plan.capturable:
            launches.append(launch)
        else:
            raise RunFailed("TensorRT simulated cannot be captured.")


def answer(numbers):
    """What each sample is answered, shape [n, 2]."""
    return np.stack((7 * numbers + 3, numbers), axis=1)
