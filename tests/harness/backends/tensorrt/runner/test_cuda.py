"""CudaDevice where there is no GPU: cuda-python takes the arguments of every call, and errors become sentences."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed: pip install 'mlperf-registry[rtx]'")

from cuda.bindings import runtime

from harness.backends.tensorrt import cuda
from harness.backends.tensorrt.cuda import CudaDevice, CudaError
from harness.backends.tensorrt.device import Do, Step, Steps
from harness.backends.tensorrt.native import Unavailable

NO_GPU = {"cudaErrorInsufficientDriver", "cudaErrorNoDevice"}

if int(runtime.cudaGetDeviceCount()[0]) == 0:
    pytest.skip("there is a GPU here: tests/gpu has this", allow_module_level=True)


@pytest.fixture
def device(monkeypatch):
    """A device that believes that it could be attached."""

    def no_native():
        raise Unavailable("This test goes through cuda-python.")

    monkeypatch.setattr(cuda, "open_native", no_native)
    monkeypatch.setattr(CudaDevice, "attach", lambda self: None)
    monkeypatch.setattr(CudaDevice, "_attribute", lambda self, attribute: 0)
    monkeypatch.setattr(CudaDevice, "_kernel", lambda self: 7)
    return CudaDevice(0)


SLOTS = np.array([3, 4, 0], np.int64)


def step(do):
    return Steps(
        Step(do=do, stream=1, object=2, to=3, source=4, slots=SLOTS.ctypes.data, rows=3, row_bytes=16),
    )


KERNELS = (Do.GATHER_KERNEL, Do.KERNEL)

CALLS = {
    "stream": lambda device: device.stream(),
    "event": lambda device: device.event("blocking"),
    "allocate": lambda device: device.allocate(10, "results", "builder.gpu_batch_size"),
    "free": lambda device: device.free(5),
    "pinned": lambda device: device.pinned(10, "results"),
    "address_of": lambda device: device.address_of(SLOTS),
    "copy_in": lambda device: device.copy_in(5, SLOTS),
    "synchronize": lambda device: device.synchronize(1),
    "capture": lambda device: device.capture(1, lambda: None),
    "wait": lambda device: device.wait(2, "blocking"),
    "spin": lambda device: device.wait(2, "spinning"),
    **{do.name: lambda device, do=do: device.run(step(do)) for do in Do if do not in KERNELS},
}


@pytest.mark.parametrize("call", CALLS)
def test_cuda_python_takes_the_arguments_and_the_error_is_a_sentence(device, call):
    with pytest.raises(CudaError, match=r"CUDA does not .*: cudaError") as raised:
        CALLS[call](device)
    assert any(name in str(raised.value) for name in NO_GPU)
    assert not raised.value.sticky


@pytest.mark.parametrize("do", KERNELS)
def test_the_kernel_takes_its_arguments(device, do):
    with pytest.raises((CudaError, RuntimeError)) as raised:  # cuda-python's own, where there is no driver
        device.run(step(do))
    # Not of an argument: cuda-python looks for the driver once it has taken them all.
    assert any(word in str(raised.value) for word in ("CUDA", "libcuda", "driver"))


def test_samples_that_cannot_be_pinned_are_said_to_be_so(device):
    assert device.pin(SLOTS) is False


def test_attaching_without_a_gpu_is_an_error():
    with pytest.raises(CudaError, match="CUDA does not use GPU 0"):
        CudaDevice(0)


class Answers:
    """CUDA's runtime, with some calls answered as a test wants."""

    def __init__(self, **answers):
        self._answers = answers

    def __getattr__(self, name):
        return self._answers.get(name) or getattr(runtime, name)


def error(number):
    return runtime.cudaError_t(number)


def test_memory_that_is_short(device, monkeypatch):
    answers = Answers(
        cudaMalloc=lambda size: (error(2), None), cudaMemGetInfo=lambda: (error(0), 512 << 20, 81920 << 20)
    )
    monkeypatch.setattr(cuda, "runtime", answers)
    with pytest.raises(CudaError) as raised:
        device.allocate(1 << 30, "input image, batches of 2048", "builder.gpu_batch_size or runtime.gpu_copy_streams")
    assert str(raised.value) == (
        "CUDA does not give 1,024.0 MiB of GPU 0 for input image, batches of 2048: cudaErrorMemoryAllocation (out of "
        "memory). 512.0 of 81,920.0 MiB are free: lower builder.gpu_batch_size or runtime.gpu_copy_streams."
    )
    assert not device.broken()


def test_a_sticky_error_breaks_the_device(device, monkeypatch):
    monkeypatch.setattr(cuda, "runtime", Answers(cudaEventSynchronize=lambda event: (error(700),)))
    with pytest.raises(
        CudaError, match=r"finish a batch: cudaErrorIllegalAddress \(an illegal memory access"
    ) as raised:
        device.wait(2, "driver")
    assert raised.value.sticky
    assert device.broken()
    device.close()


def test_errors_that_end_a_process_are_known_by_cudas_names():
    assert {runtime.cudaError_t(number).name.removeprefix("cudaError") for number in cuda.STICKY} == {
        "ECCUncorrectable",
        "NvlinkUncorrectable",
        "Contained",
        "IllegalAddress",
        "LaunchTimeout",
        "ContextIsDestroyed",
        "Assert",
        "HardwareStackError",
        "IllegalInstruction",
        "MisalignedAddress",
        "InvalidAddressSpace",
        "InvalidPc",
        "LaunchFailure",
        "TensorMemoryLeak",
        "MpsClientTerminated",
        "ExternalDevice",
        "Unknown",
    }


def test_each_gpu_says_for_itself_whether_it_is_broken(monkeypatch):
    current = []
    answers = Answers(
        cudaSetDevice=lambda number: (current.append(number), (error(0 if number < 2 else 101),))[1],
        cudaStreamQuery=lambda stream: (error(700 if current[-1] == 1 else 0),),
    )
    monkeypatch.setattr(cuda, "runtime", answers)
    monkeypatch.setattr(cuda, "_thread", threading.local())
    monkeypatch.setattr(CudaDevice, "_attribute", lambda self, attribute: 0)
    monkeypatch.setattr(CudaDevice, "_kernel", lambda self: 7)
    sound, dead = CudaDevice(0), CudaDevice(1)
    assert not sound.broken()
    assert dead.broken()
    assert not sound.broken()
    sound.number = 2  # which CUDA does not know
    assert not sound.broken()


def test_a_capture_that_fails_inside_leaves_the_stream(device, monkeypatch):
    ended = []
    answers = Answers(
        cudaStreamBeginCapture=lambda stream, mode: (error(0),),
        cudaStreamEndCapture=lambda stream: (ended.append(stream), (error(900), None))[1],
    )
    monkeypatch.setattr(cuda, "runtime", answers)

    def work():
        raise ValueError("not captured")

    with pytest.raises(ValueError, match="not captured"):
        device.capture(1, work)
    assert ended == [1]
