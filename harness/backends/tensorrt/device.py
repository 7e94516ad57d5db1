"""Device: what the runner needs of a GPU, in the terms of CUDA's streams and events; and Steps, work put on streams.

A protocol, because scheduling is tested where there is no GPU: a simulated device has the same order of things.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.record import PlanTensor

Bytes = npt.NDArray[np.uint8]
Way = Literal["copies", "batch", "kernel", "graph"]
"""How samples that lie apart come into one batch; ``backend.options.gather``. With ``graph`` the kernel is part of the
graph that executes the batch and takes the answers back."""
Waiting = Literal["blocking", "driver", "spinning"]
"""How a thread waits for an event: asleep until an interrupt, as the driver likes, or asking again and again."""


class Do(IntEnum):
    """Kinds of Step; native.c has the same numbers."""

    COPY = 0
    """``rows * row_bytes`` bytes from ``source`` to ``to``."""
    GATHER_COPIES = 1
    """Row i of ``to`` from row ``slots[i]`` of ``source``: one copy for each run of neighbours."""
    GATHER_BATCH = 2
    """The same, all copies in one call."""
    GATHER_KERNEL = 3
    """The same by the kernel ``object``, which takes rows of a multiple of 16 bytes."""
    RECORD = 4
    """The event ``object`` comes when the stream gets here."""
    WAIT = 5
    """The stream goes on when the event ``object`` has come."""
    LAUNCH = 6
    """The captured graph ``object``."""
    KERNEL = 7
    """As GATHER_KERNEL, which looks at slots first and copies neighbours; for capture, when slots are not known yet."""


GATHERS: dict[Way, Do] = {
    "copies": Do.GATHER_COPIES,
    "batch": Do.GATHER_BATCH,
    "kernel": Do.GATHER_KERNEL,
    "graph": Do.KERNEL,
}


class Step(ctypes.Structure):
    """One thing to put on a stream; handles and addresses are CUDA's, as integers."""

    _fields_ = [
        ("do", ctypes.c_uint64),
        ("stream", ctypes.c_uint64),
        ("object", ctypes.c_uint64),
        ("to", ctypes.c_uint64),
        ("source", ctypes.c_uint64),
        ("slots", ctypes.c_uint64),
        ("rows", ctypes.c_uint64),
        ("row_bytes", ctypes.c_uint64),
    ]
    do: int
    stream: int
    object: int
    to: int
    source: int
    slots: int
    rows: int
    row_bytes: int


class Steps:
    """Steps that are put on their streams by one call: Python's lock changes hands once, not once a step."""

    def __init__(self, *steps: Step) -> None:
        self.array: Any = (Step * len(steps))(*steps)
        """The steps themselves; what differs from batch to batch is set here."""
        self.failed = ctypes.c_int(-1)
        """Where native.c says which step was refused."""
        self.call = (ctypes.addressof(self.array), len(steps), ctypes.addressof(self.failed))
        """Its arguments, made once."""

    def __len__(self) -> int:
        return len(self.array)


def memory_at(address: int, size: int) -> Bytes:
    """Host memory of an address as an array, which does not keep it alive."""
    return np.frombuffer(cast(Any, (ctypes.c_uint8 * size).from_address(address)), np.uint8)


class Device(Protocol):
    """One GPU. Streams, events and graphs are handles, memory is addresses; ``close`` frees all of them.

    Every method raises RunFailed, with CUDA's words, where the GPU refuses.
    """

    number: int
    """CUDA's index."""
    shares_memory: bool
    """Whether CPU and GPU have one memory."""
    ways: dict[Way, int]
    """Ways to gather that work here, with the handle of the kernel where there is one, else 0."""
    lacking: str
    """Why a way is missing, as a sentence; empty where none is."""

    def attach(self) -> None:
        """Make this the calling thread's device."""

    def stream(self) -> int:
        """A new stream."""

    def event(self, waiting: Waiting | None = None) -> int:
        """A new event; ``waiting`` where a thread will wait for it, None where only streams do."""

    def allocate(self, size: int, purpose: str, cure: str) -> int:
        """Zeroed device memory. ``purpose`` and ``cure``, the field to lower, are for the message when it is short."""

    def free(self, address: int) -> None:
        """Give device memory back."""

    def pinned(self, size: int, purpose: str) -> Bytes:
        """Host memory, zeroed, that the device reads and writes at its own address."""

    def unpinned(self, memory: Bytes) -> None:
        """Give back what ``pinned`` gave."""

    def pin(self, array: npt.NDArray[np.generic]) -> bool:
        """Let every device read an array where it lies; False where the memory does not allow it."""

    def unpin(self, array: npt.NDArray[np.generic]) -> None:
        """The end of ``pin``."""

    def address_of(self, array: npt.NDArray[np.generic]) -> int:
        """Where this device sees pinned memory."""

    def copy_in(self, address: int, array: npt.NDArray[np.generic]) -> None:
        """Copy an array to device memory, and wait for it."""

    def run(self, steps: Steps) -> None:
        """Put steps on their streams, in order."""

    def wait(self, event: int, waiting: Waiting) -> None:
        """Return when an event has come."""

    def synchronize(self, stream: int) -> None:
        """Return when a stream is empty."""

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        """The graph of what ``work`` puts on a stream; nothing of it is executed."""

    def discard(self, graph: int) -> None:
        """Give a graph back, which no stream is executing."""

    def broken(self) -> bool:
        """Whether an error has ended all work of this process on the device; the calling thread's afterwards."""

    def close(self) -> None:
        """Free everything. Raises nothing: on a broken device nothing can be freed, and the process ends anyway."""


class Executor(Protocol):
    """What the runner needs of an execution context; see ``harness.backends.tensorrt.plan.Context``."""

    def bind(self, name: str, address: int) -> None:
        """Say where a tensor's batch lies in memory that the device sees."""

    def set_batch(self, count: int) -> None:
        """Say how many samples the next executions have."""

    def enqueue(self, stream: int) -> None:
        """Put one execution on a stream; raises RunFailed where the library refuses."""


class Executable(Protocol):
    """What the runner needs of a plan; see ``harness.backends.tensorrt.plan.Plan``."""

    @property
    def inputs(self) -> tuple[PlanTensor, ...]:
        """In the network's order."""

    @property
    def outputs(self) -> tuple[PlanTensor, ...]:
        """In the network's order."""

    @property
    def max_batch(self) -> int:
        """Most samples of one execution."""

    @property
    def static_batch(self) -> bool:
        """Whether every execution has exactly so many."""

    def context(self, profile: int, stream: int) -> Executor:
        """An execution context; raises RunFailed where the plan has no such profile."""
