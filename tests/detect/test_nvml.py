"""NVML is played by a module of the same functions, since no test may need a GPU."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from mlperf_registry.detect.nvml import NvmlFacts, read_nvml

pynvml = pytest.importorskip("pynvml")


class Driver(ModuleType):
    """Answers by handle, ("gpu", 0) or ("slice", 0, 3); whatever it lacks is not supported."""

    NVMLError = pynvml.NVMLError
    NVML_NVLINK_MAX_LINKS = 4

    def __init__(self, answers, count=1, failing=None):
        super().__init__("pynvml")
        self.answers = answers
        self.count = count
        self.failing = failing

    def __getattr__(self, name):
        if name.startswith("NVML_ERROR_"):
            return getattr(pynvml, name)
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def call(*arguments):
            found = self.answers.get((name, *arguments), self.answers.get(name))
            if found is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return found

        return call

    def nvmlInit(self):
        if self.failing is not None:
            raise pynvml.NVMLError(self.failing)

    def nvmlShutdown(self):
        pass

    def nvmlDeviceGetCount(self):
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index):
        if index == 9:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return ("gpu", index)


GPU = ("gpu", 0)
H100 = {
    "nvmlSystemGetDriverVersion": "550.54.15",
    "nvmlSystemGetCudaDriverVersion": 12040,
    "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
    "nvmlDeviceGetUUID": "GPU-1",
    "nvmlDeviceGetPciInfo": SimpleNamespace(pciDeviceId=0x233010DE, domain=0, bus=0x1B, device=0),
    "nvmlDeviceGetCudaComputeCapability": (9, 0),
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=81559 * 2**20),
    "nvmlDeviceGetEnforcedPowerLimit": 700_000,
    ("nvmlDeviceGetNvLinkState", GPU, 0): 1,
    ("nvmlDeviceGetNvLinkState", GPU, 1): 1,
    ("nvmlDeviceGetNvLinkState", GPU, 2): 0,
}


def answers(monkeypatch, driver):
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return read_nvml()


def test_a_gpu_is_read(monkeypatch):
    facts = answers(monkeypatch, Driver(H100))
    assert isinstance(facts, NvmlFacts)
    assert (facts.driver, facts.cuda, facts.silent) == ("550.54.15", "12.4", ())
    (gpu,) = facts.devices
    assert (gpu.index, gpu.uuid, gpu.name) == (0, "GPU-1", "NVIDIA H100 80GB HBM3")
    assert (gpu.pci_id, gpu.pci_address, gpu.compute_sm) == ("2330", "0000:1b:00.0", 90)
    assert (gpu.memory, gpu.power_limit_watts, gpu.nvlinks) == (81559 * 2**20, 700.0, 2)
    assert (gpu.mig, gpu.slices) == (False, ())


def test_slices_are_read_and_gaps_between_them_passed_over(monkeypatch):
    one = ("slice", 0, 1)
    sliced = {
        **H100,
        "nvmlDeviceGetMigMode": [1, 1],
        "nvmlDeviceGetMaxMigDeviceCount": 7,
        ("nvmlDeviceGetMigDeviceHandleByIndex", GPU, 1): one,
        ("nvmlDeviceGetName", one): "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        ("nvmlDeviceGetUUID", one): "MIG-1",
        ("nvmlDeviceGetMemoryInfo", one): SimpleNamespace(total=9984 * 2**20),
        ("nvmlDeviceGetGpuInstanceId", one): 9,
        ("nvmlDeviceGetComputeInstanceId", one): 0,
    }
    facts = answers(monkeypatch, Driver(sliced))
    assert isinstance(facts, NvmlFacts)
    ((found,),) = (gpu.slices for gpu in facts.devices)
    assert (found.uuid, found.profile, found.memory) == ("MIG-1", "1g.10gb", 9984 * 2**20)
    assert (found.gpu_instance, found.compute_instance) == (9, 0)


def test_an_integrated_gpu_answers_its_name_only(monkeypatch):
    facts = answers(monkeypatch, Driver({"nvmlDeviceGetName": "Orin (nvgpu)"}))
    assert isinstance(facts, NvmlFacts)
    (gpu,) = facts.devices
    assert gpu.name == "Orin (nvgpu)"
    assert {gpu.uuid, gpu.pci_id, gpu.pci_address, gpu.compute_sm, gpu.memory, gpu.power_limit_watts} == {None}


def test_a_lost_gpu_does_not_hide_the_others(monkeypatch):
    facts = answers(monkeypatch, Driver(H100, count=10))
    assert isinstance(facts, NvmlFacts)
    assert len(facts.devices) == 9
    (sentence,) = facts.silent
    assert "GPU 9 does not answer" in sentence


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no libnvidia-ml.so.1"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "kernel driver is not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "of different versions"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not ask"),
        (pynvml.NVML_ERROR_UNKNOWN, "does not answer"),
    ],
)
def test_a_driver_that_says_nothing_says_why(monkeypatch, code, words):
    found = answers(monkeypatch, Driver({}, failing=code))
    assert isinstance(found, str)
    assert words in found


def test_without_the_bindings_a_sentence_tells_how_to_get_them(monkeypatch):
    found = answers(monkeypatch, None)
    assert isinstance(found, str)
    assert "nvidia-ml-py" in found
