from __future__ import annotations

import attrs
import pytest

from mlperf_registry.detect.board import Board
from mlperf_registry.detect.gpu import read_gpus
from mlperf_registry.detect.machine import detect
from mlperf_registry.detect.nvml import NvmlDevice

ORIN = Board(model="NVIDIA Jetson AGX Orin Developer Kit", chip="tegra234", dla_count=2)
GIB = 2**30


def gpus(host, board=Board(), memory=None, nodes=()):  # noqa: B008 (immutable)
    notes = []
    return read_gpus(host, board, memory, nodes, notes), notes


def test_where_one_gpu_is_sliced_whole_ones_are_left_out_and_named(make_gpus, gpu_host):
    found, notes = gpus(gpu_host(make_gpus(2, None)))
    assert [one.mig_profile for one in found] == ["1g.10gb", "1g.10gb"]
    (note,) = notes
    assert note.startswith("GPU 1 (NVIDIA A100-SXM4-80GB) is left out")


def test_a_gpu_in_mig_mode_without_slices_is_left_out_with_the_administrators_command(make_gpus, gpu_host):
    found, notes = gpus(gpu_host(make_gpus(None, 0)))
    assert [one.index for one in found] == [0]
    (note,) = notes
    assert "GPU 1" in note
    assert "`sudo nvidia-smi mig -i 1 -cgi PROFILE -C`" in note


def test_a_slice_of_unknown_profile_is_no_whole_gpu(make_gpus, gpu_host):
    (gpu,) = make_gpus(1)
    nameless = attrs.evolve(gpu, slices=(attrs.evolve(gpu.slices[0], profile=None),))
    ((one,), _) = gpus(gpu_host((nameless,)))
    assert one.mig_profile == "unknown"


def test_the_environment_chooses_between_slices_and_whole_gpus(make_gpus, gpu_host):
    devices = make_gpus(2, None)
    found, notes = gpus(gpu_host(devices, environ={"CUDA_VISIBLE_DEVICES": "GPU-1"}))
    assert [(one.index, one.mig_profile) for one in found] == [(1, None)]
    assert not any("left out" in note for note in notes)
    found, _ = gpus(gpu_host(devices, environ={"CUDA_VISIBLE_DEVICES": "MIG-01bb-5"}))
    assert [one.uuid for one in found] == ["MIG-01bb-5"]


def test_cuda_chooses_among_what_the_container_shows(make_gpus, gpu_host):
    environ = {"NVIDIA_VISIBLE_DEVICES": "2,3", "CUDA_VISIBLE_DEVICES": "1"}
    found, _ = gpus(gpu_host(make_gpus(None, None, None, None), environ=environ))
    assert [one.index for one in found] == [3]


def test_a_gpu_that_does_not_answer_is_named(make_gpus, gpu_host):
    found, notes = gpus(gpu_host(make_gpus(None), silent=("GPU 1 does not answer.",)))
    assert len(found) == 1
    assert notes == ["GPU 1 does not answer."]


def test_a_driver_without_gpus_says_so(gpu_host):
    assert gpus(gpu_host(())) == ((), ["NVIDIA's driver is here and shows no GPU."])


def test_gpus_on_the_bus_without_a_driver_are_named(make_host):
    bus = "/sys/bus/pci/devices"
    host = make_host(
        nvml_absent="NVIDIA's driver is not here.",
        folders={bus: ["0000:00:01.0", "0000:3b:00.0", "0000:3b:00.1"]},
        files={
            f"{bus}/0000:00:01.0/vendor": "0x8086\n",
            f"{bus}/0000:3b:00.0/vendor": "0x10de\n",
            f"{bus}/0000:3b:00.0/class": "0x030200\n",
            f"{bus}/0000:3b:00.1/vendor": "0x10de\n",
            f"{bus}/0000:3b:00.1/class": "0x040300\n",
        },
    )
    found, notes = gpus(host)
    assert found == ()
    assert notes == [
        "The PCI bus shows NVIDIA GPUs that cannot be used: 0000:3b:00.0.",
        "NVIDIA's driver is not here.",
    ]


def test_a_jetson_without_nvml_still_has_its_gpu(make_host):
    ((gpu,), notes) = gpus(make_host(architecture="aarch64"), ORIN, 64 * GIB)
    assert (gpu.name, gpu.compute_sm, gpu.vram, gpu.integrated) == ("Jetson AGX Orin", 87, 64 * GIB, True)
    assert "tegra234" in notes[0]
    hidden, _ = gpus(make_host(architecture="aarch64", environ={"CUDA_VISIBLE_DEVICES": ""}), ORIN, 64 * GIB)
    assert hidden == ()


@pytest.mark.parametrize(
    ("architecture", "device", "board", "integrated"),
    [
        ("aarch64", NvmlDevice(index=0, name="NVIDIA GB10", pci_id="2E12", compute_sm=121), Board(), True),
        ("aarch64", NvmlDevice(index=0, name="NVIDIA GH200", pci_id="2342", memory=96 * GIB), Board(), False),
        ("aarch64", NvmlDevice(index=0, name="NVIDIA RTX 6000", pci_id="26B1", memory=48 * GIB), ORIN, False),
        ("aarch64", NvmlDevice(index=0, name="Orin (nvgpu)", memory=64 * GIB), ORIN, True),
        ("x86_64", NvmlDevice(index=0, name="NVIDIA L4", pci_id="27B8"), Board(), False),
    ],
)
def test_integrated_gpus_are_told_from_others(gpu_host, architecture, device, board, integrated):
    ((gpu,), _) = gpus(gpu_host((device,), architecture=architecture), board, 119 * GIB)
    assert gpu.integrated == integrated
    assert gpu.vram == (119 * GIB if integrated else device.memory)


def test_a_known_gpu_on_a_small_virtual_machine_is_found(gpu_host):
    h100 = NvmlDevice(
        index=0,
        uuid="GPU-1",
        name="NVIDIA H100 80GB HBM3",
        pci_id="2330",
        pci_address="0000:00:05.0",
        compute_sm=90,
        memory=81559 * 2**20,
        power_limit_watts=700.0,
    )
    found = detect(gpu_host((h100,), files={"/proc/meminfo": "MemTotal:  131072000 kB\n"}))
    (gpu,) = found.accelerators
    assert (gpu.pci_id, gpu.power_limit_watts, gpu.nvlinks) == ("2330", 700.0, 0)
