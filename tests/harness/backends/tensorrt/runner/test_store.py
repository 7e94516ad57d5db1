"""Store: samples lie where GPUs can read them, and are those that the plan takes."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_gpu import SimulatedGpu, view

from harness.backends.tensorrt.record import PlanTensor
from harness.backends.tensorrt.store import Store
from mlperf_registry.schema.problem import RunFailed

SAMPLES = np.arange(24, dtype=np.int32).reshape(3, 8)
INPUT = PlanTensor(name="number", is_input=True, dtype="int32", shape=(8,))


@pytest.fixture
def gpu():
    return SimulatedGpu()


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("offset", [0, 4, 8, 12])
def test_samples_begin_where_the_gather_kernel_can_read_them(gpu, offset, on_device):
    raw = np.empty(SAMPLES.nbytes + 32, np.uint8)
    first = -raw.ctypes.data % 16 + offset
    column = raw[first : first + SAMPLES.nbytes].view(np.int32).reshape(SAMPLES.shape)
    column[...] = SAMPLES
    ((address,),) = Store([gpu], [INPUT], on_device=on_device).hold({"number": column})
    assert address % 16 == 0
    assert (address == column.ctypes.data) == (not on_device and offset == 0)
    assert (view(address, SAMPLES.nbytes) == SAMPLES.view(np.uint8).reshape(-1)).all()


@pytest.mark.parametrize("samples", [SAMPLES[:, :7], SAMPLES.astype(np.float32), SAMPLES.reshape(3, 2, 4)])
def test_samples_in_another_form_than_the_engines_are_refused(gpu, samples):
    with pytest.raises(RunFailed, match=r"A sample of number is \w+ \[.*\], and the engine takes int32 \[8\]"):
        Store([gpu], [INPUT], on_device=False).hold({"number": samples})
