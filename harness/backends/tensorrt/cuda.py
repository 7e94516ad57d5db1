"""CudaDevice: a GPU driven through cuda-python, every answer looked at, with errors in sentences.

What happens once a batch goes through native.c where that can be compiled; this module does the same step by step.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from cuda.bindings import driver, runtime

from harness.backends.tensorrt.device import Bytes, Do, Step, Steps, Waiting, Way, memory_at
from harness.backends.tensorrt.gather import PTX, VECTOR
from harness.backends.tensorrt.native import Native, Unavailable, open_native
from mlperf_registry.schema.problem import RunFailed

OUT_OF_MEMORY = 2
NOT_READY = 600
STICKY = frozenset(
    {
        214,  # ECC error
        220,  # NVLink error
        226,  # contained error, of the hardware or of a peer's memory
        700,  # illegal address
        702,  # launch timeout
        709,  # context destroyed
        710,  # assert in a kernel
        *range(714, 720),  # hardware stack, illegal instruction, misaligned and invalid addresses, launch failure
        721,  # tensor memory that a kernel left
        810,  # the multi-process service has ended this client
        911,  # error of a device outside CUDA
        999,  # unknown
    }
)
"""Errors after which every call of the process fails, by CUDA's numbers."""

_thread = threading.local()
"""Which device is the thread's."""
_THREADS = 256
_MIB = 1 << 20


class CudaError(RunFailed):
    """CUDA refused something."""

    def __init__(self, number: int, what: str, cure: str = "") -> None:
        self.number = number
        """CUDA's number of the error."""
        super().__init__(f"CUDA does not {what}: {_words(number)}.{cure and ' '}{cure}")

    @property
    def sticky(self) -> bool:
        """Whether nothing works on the device any more in this process."""
        return self.number in STICKY


def _words(number: int) -> str:
    try:
        error = runtime.cudaError_t(number)
    except ValueError:
        return f"error {number}"
    _, name = runtime.cudaGetErrorName(error)
    _, text = runtime.cudaGetErrorString(error)
    return f"{name.decode()} ({text.decode()})"


class CudaDevice:
    """A Device of CUDA's. Methods are for threads that have called ``attach``."""

    def __init__(self, number: int) -> None:
        """Use a GPU of this machine.

        Args:
            number: CUDA's index, which CUDA_VISIBLE_DEVICES counts from 0.

        Raises:
            CudaError: when the GPU cannot be used.
        """
        self.number = number
        self.lacking = ""
        self._broken = False
        self._streams: list[int] = []
        self._events: list[int] = []
        self._graphs: list[int] = []
        self._memory: dict[int, int] = {}
        self._host: list[int] = []
        self._pinned: dict[int, npt.NDArray[np.generic]] = {}
        self._module: Any = None
        self.attach()
        self.shares_memory = bool(self._attribute(runtime.cudaDeviceAttr.cudaDevAttrIntegrated))
        self.ways: dict[Way, int] = {"copies": 0}
        self._native: Native | None = None
        try:
            self._native = open_native()
        except Unavailable as error:
            self.lacking = str(error)
        else:
            if self._native.copies_in_batches:
                self.ways["batch"] = 0
            else:
                self.lacking = "The driver has no cuMemcpyBatchAsync."
        try:
            self.ways["kernel"] = self.ways["graph"] = self._kernel()
        except CudaError as error:
            self.lacking = f"{self.lacking} {error}".strip()

    def attach(self) -> None:
        if getattr(_thread, "device", None) != self.number:
            self._ask(runtime.cudaSetDevice(self.number), f"use GPU {self.number}")
            _thread.device = self.number

    def stream(self) -> int:
        stream = int(self._ask(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking), "make a stream"))
        self._streams.append(stream)
        return stream

    def event(self, waiting: Waiting | None = None) -> int:
        flags = runtime.cudaEventDisableTiming | (runtime.cudaEventBlockingSync if waiting == "blocking" else 0)
        event = int(self._ask(runtime.cudaEventCreateWithFlags(flags), "make an event"))
        self._events.append(event)
        return event

    def allocate(self, size: int, purpose: str, cure: str) -> int:
        error, address = runtime.cudaMalloc(size)
        if int(error) == OUT_OF_MEMORY:
            runtime.cudaGetLastError()
            free, total = self._ask(runtime.cudaMemGetInfo(), "tell its free memory")
            raise CudaError(
                OUT_OF_MEMORY,
                f"give {size / _MIB:,.1f} MiB of GPU {self.number} for {purpose}",
                f"{free / _MIB:,.1f} of {total / _MIB:,.1f} MiB are free: lower {cure}.",
            )
        address = int(self._ask((error, address), f"give memory for {purpose}"))
        self._memory[address] = size
        # The other streams do not wait for the default one, on which memory is zeroed.
        self._ask(runtime.cudaMemset(address, 0, size), "clear memory")
        self._ask(runtime.cudaDeviceSynchronize(), "clear memory")
        return address

    def free(self, address: int) -> None:
        self._ask(runtime.cudaFree(address), "take memory back")
        del self._memory[address]

    def pinned(self, size: int, purpose: str) -> Bytes:
        flags = runtime.cudaHostAllocPortable | runtime.cudaHostAllocMapped
        address = int(
            self._ask(
                runtime.cudaHostAlloc(size, flags),
                f"pin {size / _MIB:,.1f} MiB of host memory for {purpose}",
                "If `ulimit -l` or the container's memory is short, raise it.",
            )
        )
        self._host.append(address)
        array = memory_at(address, size)
        array[:] = 0
        return array

    def unpinned(self, memory: Bytes) -> None:
        address = _address(memory)
        self._host.remove(address)
        self._ask(runtime.cudaFreeHost(address), "take pinned memory back")

    def pin(self, array: npt.NDArray[np.generic]) -> bool:
        address = _address(array)
        flags = runtime.cudaHostRegisterPortable | runtime.cudaHostRegisterMapped
        (error,) = runtime.cudaHostRegister(address, array.nbytes, flags)
        if int(error) != 0:
            # Read-only files, or pages that are pinned already: the caller has another way.
            runtime.cudaGetLastError()
            if int(error) in STICKY:
                self._ask((error,), "pin samples")
            return False
        self._pinned[address] = array
        return True

    def unpin(self, array: npt.NDArray[np.generic]) -> None:
        address = _address(array)
        if self._pinned.pop(address, None) is not None:
            self._ask(runtime.cudaHostUnregister(address), "unpin samples")

    def address_of(self, array: npt.NDArray[np.generic]) -> int:
        return int(self._ask(runtime.cudaHostGetDevicePointer(_address(array), 0), "see pinned memory from the GPU"))

    def copy_in(self, address: int, array: npt.NDArray[np.generic]) -> None:
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._ask(runtime.cudaMemcpy(address, _address(array), array.nbytes, kind), "copy samples to the GPU")
        self._ask(runtime.cudaDeviceSynchronize(), "copy samples to the GPU")

    def run(self, steps: Steps) -> None:
        if self._native is not None:
            number = self._native.run(steps)
            if number:
                self._refuse(number, f"take the step {Do(steps.array[steps.failed.value].do).name}")
            return
        for one in steps.array:
            self._put(one)

    def wait(self, event: int, waiting: Waiting) -> None:
        if self._native is not None:
            number = self._native.wait(event, spin=waiting == "spinning")
            if number:
                self._refuse(number, "finish a batch")
        elif waiting == "spinning":
            while True:
                (error,) = runtime.cudaEventQuery(event)
                if int(error) != NOT_READY:
                    break
            self._ask((error,), "finish a batch")
        else:
            self._ask(runtime.cudaEventSynchronize(event), "finish a batch")

    def synchronize(self, stream: int) -> None:
        self._ask(runtime.cudaStreamSynchronize(stream), "finish what is on a stream")

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._ask(runtime.cudaStreamBeginCapture(stream, mode), "capture a graph")
        try:
            work()
        except BaseException:
            # The stream must leave capture, whatever is in it; what it says now is a consequence.
            _, graph = runtime.cudaStreamEndCapture(stream)
            runtime.cudaGetLastError()
            if graph is not None and int(graph):
                runtime.cudaGraphDestroy(graph)
            raise
        graph = self._ask(runtime.cudaStreamEndCapture(stream), "capture a graph")
        try:
            executable = int(self._ask(runtime.cudaGraphInstantiate(graph, 0), "instantiate a graph"))
        finally:
            runtime.cudaGraphDestroy(graph)
        self._graphs.append(executable)
        return executable

    def discard(self, graph: int) -> None:
        self._graphs.remove(graph)
        self._ask(runtime.cudaGraphExecDestroy(graph), "take a graph back")

    def broken(self) -> bool:
        if not self._broken:
            try:
                self.attach()
            except CudaError:
                return self._broken
            (error,) = runtime.cudaStreamQuery(0)
            self._broken = int(error) in STICKY
        return self._broken

    def close(self) -> None:
        calls: list[tuple[Callable[..., Any], Any]] = [
            *((runtime.cudaGraphExecDestroy, graph) for graph in self._graphs),
            *((runtime.cudaHostUnregister, address) for address in self._pinned),
            *((runtime.cudaFree, address) for address in self._memory),
            *((runtime.cudaFreeHost, address) for address in self._host),
            *((runtime.cudaEventDestroy, event) for event in self._events),
            *((runtime.cudaStreamDestroy, stream) for stream in self._streams),
        ]
        for owned in (self._graphs, self._pinned, self._memory, self._host, self._events, self._streams):
            owned.clear()
        if self._module is not None:
            calls.append((driver.cuModuleUnload, self._module))
            self._module = None
        refused = [name.__name__ for name, handle in calls if int(name(handle)[0]) != 0]
        runtime.cudaGetLastError()
        if refused and not self._broken:
            print(f"GPU {self.number}: CUDA refused {', '.join(sorted(set(refused)))}.", file=sys.stderr, flush=True)

    def _attribute(self, attribute: Any) -> int:
        return int(self._ask(runtime.cudaDeviceGetAttribute(attribute, self.number), f"describe GPU {self.number}"))

    def _kernel(self) -> int:
        self._module = self._ask(driver.cuModuleLoadData(PTX), "load the gather kernel")
        return int(self._ask(driver.cuModuleGetFunction(self._module, b"gather"), "find the gather kernel"))

    def _put(self, step: Step) -> None:
        """One step without native.c."""
        do, stream = step.do, step.stream
        if do == Do.COPY:
            self._copy(step.to, step.source, step.rows * step.row_bytes, stream)
        elif do == Do.RECORD:
            self._ask(runtime.cudaEventRecord(step.object, stream), "record an event")
        elif do == Do.WAIT:
            self._ask(runtime.cudaStreamWaitEvent(stream, step.object, 0), "let a stream wait")
        elif do == Do.LAUNCH:
            self._ask(runtime.cudaGraphLaunch(step.object, stream), "launch a graph")
        else:
            self._gather(step)

    def _gather(self, step: Step) -> None:
        slots = memory_at(step.slots, 8 * step.rows).view(np.int64)
        firsts = np.flatnonzero(np.diff(slots, prepend=-2) != 1)
        if step.do == Do.KERNEL or (step.do == Do.GATHER_KERNEL and len(firsts) > 1):
            vectors = step.row_bytes // VECTOR
            values = (step.to, step.source, step.slots, vectors)
            types = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32)
            blocks = -(-vectors // _THREADS)
            function, stream = driver.CUfunction(step.object), driver.CUstream(step.stream)
            self._ask(
                driver.cuLaunchKernel(function, blocks, step.rows, 1, _THREADS, 1, 1, 0, stream, (values, types), 0),
                "launch the gather kernel",
            )
            return
        for first, stop in zip(firsts.tolist(), [*firsts[1:].tolist(), len(slots)], strict=True):
            source = step.source + int(slots[first]) * step.row_bytes
            self._copy(step.to + first * step.row_bytes, source, (stop - first) * step.row_bytes, step.stream)

    def _copy(self, to: int, source: int, size: int, stream: int) -> None:
        kind = runtime.cudaMemcpyKind.cudaMemcpyDefault
        self._ask(runtime.cudaMemcpyAsync(to, source, size, kind, stream), "copy")

    def _ask(self, answer: tuple[Any, ...], what: str, cure: str = "") -> Any:
        """The value of a call's answer.

        Raises:
            CudaError: when the answer is an error.
        """
        error, *values = answer
        if int(error) != 0:
            self._refuse(int(error), what, cure)
        return values[0] if len(values) == 1 else tuple(values)

    def _refuse(self, number: int, what: str, cure: str = "") -> NoReturn:
        # An error that is not sticky would otherwise be found, and taken for its own, by whoever looks next.
        runtime.cudaGetLastError()
        error = CudaError(number, what, cure)
        self._broken = self._broken or error.sticky
        raise error


def _address(array: npt.NDArray[np.generic]) -> int:
    return int(array.ctypes.data)
