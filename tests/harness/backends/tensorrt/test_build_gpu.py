"""The GPU of a build: the one that the config names, of the kind that the engine's key names, or a sentence."""

from __future__ import annotations

import pytest

from harness.backends.tensorrt import build_gpu, compile
from harness.backends.tensorrt.gpu import DeviceMemory, Gpu
from mlperf_registry.schema.problem import NotReady, RunFailed
from tests.harness.backends.tensorrt.conftest import MINI, make_recipe

runtime = pytest.importorskip("cuda.bindings.runtime", reason="GPUs are asked through cuda-python")
driver = pytest.importorskip("cuda.bindings.driver")

H100 = Gpu("NVIDIA H100", "9.0")
OK = runtime.cudaError_t.cudaSuccess


class Cuda:
    """CUDA's runtime, of two discrete GPUs."""

    cudaDeviceAttr = runtime.cudaDeviceAttr

    def __init__(self, *, integrated=0, error=OK):
        self.integrated, self.error = integrated, error
        self.current = 0

    def cudaSetDevice(self, index):
        self.current = index
        return (self.error,)

    def cudaDeviceGetAttribute(self, attribute, index):
        assert attribute == runtime.cudaDeviceAttr.cudaDevAttrIntegrated
        return OK, self.integrated


@pytest.fixture
def cuda(monkeypatch):
    def use(**changes):
        made = Cuda(**changes)
        monkeypatch.setattr(build_gpu, "_runtime", lambda: made)
        return made

    return use


def test_a_build_takes_the_gpu_that_is_named(cuda):
    one = cuda()
    build_gpu.take_gpu(1, H100, "NVIDIA H100, compute capability 9.0")
    assert one.current == 1


@pytest.mark.parametrize(
    ("gpu", "wanted", "integrated"),
    [
        (H100, "NVIDIA H100, compute capability unknown", 0),
        (Gpu("NVIDIA H100 MIG 1g.10gb", "9.0"), "NVIDIA H100, compute capability 9.0, MIG 1g.10gb", 0),
        (Gpu("Orin", "8.7"), "Jetson AGX Orin, compute capability 8.7", 1),
    ],
    ids=["a driver that does not say the capability", "a slice", "an integrated one, named by its board"],
)
def test_one_gpu_under_two_names_is_taken(cuda, gpu, wanted, integrated):
    cuda(integrated=integrated)
    build_gpu.take_gpu(0, gpu, wanted)


@pytest.mark.parametrize("wanted", ["Tesla T4, compute capability 7.5", "NVIDIA H200, compute capability 9.0"])
def test_another_gpu_than_the_keys_is_refused(cuda, wanted):
    one = cuda()
    with pytest.raises(NotReady, match=f"for {wanted}, and CUDA's GPU 1 is NVIDIA H100.*CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        build_gpu.take_gpu(1, H100, wanted)
    assert one.current == 0


def test_a_gpu_that_cannot_be_used_is_a_sentence(cuda):
    cuda(error=runtime.cudaError_t.cudaErrorDevicesUnavailable)
    with pytest.raises(RunFailed, match=r"does not use GPU 1 \(cudaErrorDevicesUnavailable\)"):
        build_gpu.take_gpu(1, H100, "NVIDIA H100, compute capability 9.0")


FREE = DeviceMemory(512 << 20, 81920 << 20)
SMALL = "Myelin (no tactics to implement the operation within workspace limit. Consider increase the allowed workspace)"
SHORT = "Requested amount of GPU memory (1073741824 bytes) could not be allocated"
NONE = "Could not find any implementation for node conv1"


@pytest.mark.parametrize(
    ("said", "workspace", "memory", "expected"),
    [
        (SMALL, 1024, FREE, "builder.workspace_size of 1.0 KiB is too small: raise it"),
        (NONE, 64 << 20, None, "builder.workspace_size of 64.0 MiB may be too small: raise it"),
        (
            SHORT,
            None,
            FREE,
            "The workspace was all device memory, and 512.0 of 81,920.0 MiB are free now: lower builder.gpu_batch_size",
        ),
        (SHORT, 2 << 30, None, "The workspace was 2.0 GiB: lower builder.gpu_batch_size, set builder.workspace_size"),
        (NONE, None, FREE, ""),
        ("Internal error", 1024, FREE, ""),
    ],
)
def test_a_build_that_memory_fails_says_which_field_to_change(said, workspace, memory, expected):
    cure = build_gpu.memory_cure(said, workspace, memory)
    assert cure.startswith(expected) and bool(cure) == bool(expected)


@pytest.mark.parametrize(
    ("shared", "share", "notes"),
    [(True, 60, 0), (None, 60, 0), (False, None, 1)],
    ids=["MPS runs", "CUDA does not say", "MPS does not run"],
)
def test_without_mps_a_share_of_the_gpu_is_said_to_have_no_effect(monkeypatch, shared, share, notes):
    monkeypatch.setattr(compile, "is_shared", lambda index: shared)
    recipe = make_recipe(MINI, None, **{"builder.active_sms": 60, "builder.compute_capability": None})
    told = []
    assert compile._share(recipe, told.append) == share
    assert len(told) == notes and all("builder.active_sms=60 has no effect" in note for note in told)


@pytest.mark.parametrize(("status", "enabled", "expected"), [(0, 1, True), (0, 0, False), (1, 0, None)])
def test_cuda_says_whether_mps_runs(monkeypatch, status, enabled, expected):
    monkeypatch.setattr(driver, "cuDeviceGet", lambda index: (driver.CUresult(0), index))
    monkeypatch.setattr(driver, "cuDeviceGetAttribute", lambda attribute, device: (driver.CUresult(status), enabled))
    assert build_gpu.is_shared(0) is expected
