"""CudaDevice on a real GPU: every way to gather, graphs, events and errors, with native.c and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed: pip install 'mlperf-registry[rtx]'")

from cuda.bindings import runtime

from harness.backends.tensorrt import cuda
from harness.backends.tensorrt.cuda import CudaDevice, CudaError
from harness.backends.tensorrt.device import GATHERS, Do, Step, Steps
from harness.backends.tensorrt.native import Unavailable

if int(runtime.cudaGetDeviceCount()[0]) != 0:
    pytest.skip("CUDA shows no GPU here, and these tests are about one", allow_module_level=True)

ROWS, ROW = 500, 1040
"""Samples, and 8-byte numbers of each: 8,320 bytes, no multiple of the kernel's block."""


@pytest.fixture(params=["native", "python"])
def device(request, monkeypatch):
    if request.param == "python":

        def no_native():
            raise Unavailable("This test goes through cuda-python.")

        monkeypatch.setattr(cuda, "open_native", no_native)
    made = CudaDevice(0)
    yield made
    made.close()
    assert not made.broken()


def gathered(device, way, slots, source, address):
    """Rows that came into a batch in a way, read back."""
    stream, done = device.stream(), device.event("blocking")
    to = device.allocate(slots.nbytes * ROW, "a batch", "nothing")
    pinned = device.pinned(slots.nbytes, "slots").view(np.int64)
    pinned[:] = slots
    back = device.pinned(slots.nbytes * ROW, "results")
    device.run(
        Steps(
            Step(
                do=GATHERS[way],
                stream=stream,
                object=device.ways[way],
                to=to,
                source=address,
                slots=device.address_of(pinned),
                rows=len(slots),
                row_bytes=8 * ROW,
            ),
            Step(do=Do.COPY, stream=stream, to=device.address_of(back), source=to, rows=len(slots), row_bytes=8 * ROW),
            Step(do=Do.RECORD, stream=stream, object=done),
        )
    )
    device.wait(done, "blocking")
    return back.view(np.int64).reshape(len(slots), ROW)


@pytest.mark.parametrize("way", GATHERS)
@pytest.mark.parametrize("where", ["pinned in place", "device"])
def test_gathering(device, way, where):
    if way not in device.ways:
        pytest.skip(f"{way}: {device.lacking}")
    source = np.random.default_rng(0).integers(0, 1 << 40, (ROWS, ROW))
    if where == "device":
        address = device.allocate(source.nbytes, "samples", "nothing")
        device.copy_in(address, source)
    else:
        assert device.pin(source)
        address = device.address_of(source)
    draw = np.random.default_rng(1)
    for slots in (draw.integers(0, ROWS, 256), np.arange(100, 356), np.array([7]), draw.permutation(ROWS)[:300]):
        assert (gathered(device, way, slots, source, address) == source[slots]).all()
    if where != "device":
        device.unpin(source)


@pytest.mark.parametrize("waiting", ["blocking", "driver", "spinning"])
def test_streams_wait_for_each_other_and_graphs_run_again(device, waiting):
    first, second = device.stream(), device.stream()
    ready, done = device.event(), device.event(waiting)
    size = 64 << 20
    one, other = (device.allocate(size, "a buffer", "nothing") for _ in range(2))
    host, back = device.pinned(size, "samples"), device.pinned(size, "results")

    def copy():
        device.run(Steps(Step(do=Do.COPY, stream=second, to=other, source=one, rows=size, row_bytes=1)))

    graph = device.capture(second, copy)
    for turn in range(1, 5):
        host[:] = turn
        device.run(
            Steps(
                Step(do=Do.COPY, stream=first, to=one, source=device.address_of(host), rows=size, row_bytes=1),
                Step(do=Do.RECORD, stream=first, object=ready),
                Step(do=Do.WAIT, stream=second, object=ready),
                Step(do=Do.LAUNCH, stream=second, object=graph),
                Step(do=Do.COPY, stream=second, to=device.address_of(back), source=other, rows=size, row_bytes=1),
                Step(do=Do.RECORD, stream=second, object=done),
            )
        )
        device.wait(done, waiting)
        assert (back == turn).all()


def test_memory_that_is_short_names_the_field(device):
    with pytest.raises(CudaError, match=r"of GPU 0 for input image.* MiB are free: lower builder.gpu_batch_size"):
        device.allocate(1 << 44, "input image, batches of 1024", "builder.gpu_batch_size")
    assert not device.broken()


STICKY = """
from harness.backends.tensorrt.cuda import CudaDevice, CudaError
from harness.backends.tensorrt.device import Do, Step, Steps
import numpy as np
device = CudaDevice(0)
slots = device.pinned(16, "slots").view(np.int64)
slots[:] = 3, 1
stream, done = device.stream(), device.event("blocking")
kernel = Step(do=Do.GATHER_KERNEL, stream=stream, object=device.ways["kernel"], to=16, source=1 << 20,
              slots=device.address_of(slots), rows=2, row_bytes=16)
device.run(Steps(kernel, Step(do=Do.RECORD, stream=stream, object=done)))
try:
    device.wait(done, "blocking")
except CudaError as error:
    print(error)
    assert error.sticky and device.broken()
    device.close()
"""


def test_a_sticky_error_is_told_from_others():
    done = subprocess.run(
        [sys.executable, "-c", STICKY], capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "cudaErrorIllegalAddress" in done.stdout
