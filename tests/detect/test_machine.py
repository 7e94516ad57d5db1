from __future__ import annotations

import json

import pytest

from mlperf_registry.detect.host import LiveHost
from mlperf_registry.detect.machine import detect, load_machine, record
from mlperf_registry.detect.recording import Recorder
from mlperf_registry.schema.machine import Cpu, Machine
from mlperf_registry.schema.numa_string import ranges
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.structure import unstructure

GIB = 2**30

NAMES = (
    "dgx_a100_mig",
    "dgx_h100",
    "gh200",
    "h100_vm",
    "l4",
    "laptop",
    "orin",
    "small_vm",
    "thor",
    "unknown_4gpu",
)


@pytest.fixture
def machine(machines):
    """Reads a recorded machine by its name."""
    return lambda name: load_machine(machines / f"{name}.json")


def cpu_of(machine: Machine) -> tuple:
    cpu = machine.cpu
    return (cpu.vendor, cpu.model, cpu.architecture, cpu.sockets, cpu.cores_per_socket, cpu.threads_per_core)


def placed(machine: Machine) -> list[int | None]:
    return [accelerator.numa_node for accelerator in machine.accelerators]


def test_a_dgx_h100(machine):
    found = machine("dgx_h100")
    assert cpu_of(found) == ("GenuineIntel", "Intel(R) Xeon(R) Platinum 8480C", "x86_64", 2, 56, 2)
    assert found.memory == 2113396736 * 1024
    assert [ranges(node.cpus) for node in found.numa] == ["0-55,112-167", "56-111,168-223"]
    assert placed(found) == [0, 0, 0, 0, 1, 1, 1, 1]
    first = found.accelerators[0]
    assert (first.name, first.pci_id, first.pci_address) == ("NVIDIA H100 80GB HBM3", "2330", "0000:1b:00.0")
    assert (first.compute_sm, first.power_limit_watts, first.nvlinks) == (90, 700.0, 18)
    assert first.vram == pytest.approx(80 * GIB, rel=0.05)
    assert (first.integrated, first.mig_profile) == (False, None)
    assert found.board == "NVIDIA DGXH100"
    assert found.versions == {
        "driver": "550.54.15",
        "cuda_driver": "12.4",
        "cuda": "12.4.1",
        "cudnn": "8.9.7",
        "tensorrt": "10.2.0",
        "os": "Ubuntu 22.04.4 LTS",
        "kernel": "Linux 5.15.0-1055-nvidia",
    }
    assert found.notes == ()


def test_its_network_cards_are_counted_once_with_or_without_an_interface(machine):
    nics = machine("dgx_h100").nics
    assert [nic.name for nic in nics] == [*(f"ibp{place}s0" for place in range(24, 32)), "mlx5_8", "mlx5_9"]
    assert {nic.speed_mbit for nic in nics} == {400_000}
    assert [nic.numa_node for nic in nics] == [0, 0, 0, 0, 1, 1, 1, 1, 0, 1]


def test_a_dgx_a100_in_slices(machine):
    found = machine("dgx_a100_mig")
    assert len(found.accelerators) == 56
    assert {(slice.name, slice.pci_id, slice.mig_profile) for slice in found.accelerators} == {
        ("NVIDIA A100-SXM4-80GB", "20B2", "1g.10gb")
    }
    assert {slice.vram for slice in found.accelerators} == {9728 * 2**20}
    assert {slice.power_limit_watts for slice in found.accelerators} == {400.0}
    assert len({slice.uuid for slice in found.accelerators}) == 56
    assert [slice.index for slice in found.accelerators] == [gpu for gpu in range(8) for _ in range(7)]
    assert len(found.numa) == 8
    assert placed(found)[::7] == [3, 2, 1, 0, 7, 6, 5, 4]


def test_a_gh200_of_two_shows_the_one_that_cuda_may_use(machine):
    found = machine("gh200")
    assert cpu_of(found) == ("ARM", "Neoverse-V2", "aarch64", 2, 72, 1)
    (gpu,) = found.accelerators
    assert (gpu.pci_id, gpu.compute_sm, gpu.integrated, gpu.numa_node) == ("2348", 90, False, 0)
    assert [ranges(node.cpus) for node in found.numa] == ["0-71", "72-143", "", ""]
    assert found.notes == ("CUDA_VISIBLE_DEVICES=0 shows 1 of 2 GPUs.",)


def test_an_l4_in_a_nameless_box(machine):
    found = machine("l4")
    assert cpu_of(found) == ("AuthenticAMD", "AMD EPYC 7313P 16-Core Processor", "x86_64", 1, 16, 2)
    (gpu,) = found.accelerators
    assert (gpu.name, gpu.pci_id, gpu.power_limit_watts) == ("NVIDIA L4", "27B8", 72.0)
    assert gpu.numa_node == 0  # the firmware says none, and there is one only
    assert found.board is None
    assert found.notes == ()


def test_an_orin(machine):
    found = machine("orin")
    assert cpu_of(found) == ("ARM", "Cortex-A78AE", "aarch64", 1, 12, 1)
    (gpu,) = found.accelerators
    assert (gpu.name, gpu.compute_sm, gpu.integrated, gpu.vram) == ("Jetson AGX Orin", 87, True, found.memory)
    assert gpu.vram == pytest.approx(64 * GIB, rel=0.05)
    assert found.dla_count == 2
    assert found.board == "NVIDIA Jetson AGX Orin Developer Kit"
    assert {name: found.versions[name] for name in ("l4t", "cuda", "tensorrt")} == {
        "l4t": "36.3.0",
        "cuda": "12.2.1",
        "tensorrt": "10.1.0",
    }


def test_a_thor(machine):
    found = machine("thor")
    assert cpu_of(found) == ("ARM", "Neoverse-V3AE", "aarch64", 1, 14, 1)
    (gpu,) = found.accelerators
    assert (gpu.name, gpu.compute_sm, gpu.integrated, gpu.vram) == ("NVIDIA Thor", 110, True, found.memory)
    assert found.dla_count == 0
    assert found.board == "NVIDIA Jetson AGX Thor Developer Kit"


def test_a_laptop_has_no_accelerator_and_says_why(machine):
    found = machine("laptop")
    assert cpu_of(found)[3:] == (1, 4, 2)
    assert found.accelerators == ()
    assert found.notes == ("NVIDIA's driver is not here.",)


def test_a_box_of_four(machine):
    found = machine("unknown_4gpu")
    assert [gpu.name for gpu in found.accelerators] == ["NVIDIA A10"] * 4
    assert placed(found) == [0, 0, 1, 1]
    assert [(nic.name, nic.speed_mbit) for nic in found.nics] == [("eno1", 10_000), ("eno2", None)]


def test_every_recording_says_where_it_comes_from_and_is_tested(machines):
    paths = sorted(machines.glob("*.json"))
    assert [path.stem for path in paths] == sorted(NAMES)
    for path in paths:
        source = json.loads(path.read_text())["source"]
        assert source.startswith(
            "Captured on" if path.stem in ("h100_vm", "small_vm") else "Constructed, not captured: "
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_survives_its_json(machine, tmp_path, name):
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(unstructure(machine(name))))
    assert load_machine(path) == machine(name)


def test_this_machine_is_detected_and_its_recording_replays_it(tmp_path):
    found = detect()
    assert isinstance(found.cpu, Cpu)
    path = tmp_path / "recording.json"
    path.write_text(json.dumps(record(source="this machine")))
    assert load_machine(path) == found


def test_a_recording_of_a_recording_is_the_same(machines, tmp_path, make_host):
    tree = json.loads((machines / "gh200.json").read_text())
    again = record(make_host(**tree), source=tree["source"])
    path = tmp_path / "again.json"
    path.write_text(json.dumps(again))
    assert load_machine(path) == load_machine(machines / "gh200.json")
    assert again["environ"] == {"CUDA_VISIBLE_DEVICES": "0"}


def test_a_recording_holds_no_more_than_detection_reads():
    recorder = Recorder(LiveHost())
    detect(recorder)
    text = recorder.recording("here").files.get("/proc/cpuinfo", "")
    assert "flags" not in text
    assert "Serial" not in text


def test_a_bare_host_is_a_machine_too(make_host):
    found = detect(make_host(architecture="riscv64"))
    assert found.cpu == Cpu(
        vendor=None,
        model=None,
        architecture="riscv64",
        sockets=None,
        cores_per_socket=None,
        threads_per_core=None,
    )
    assert (found.memory, found.numa, found.accelerators, found.nics) == (None, (), (), ())
    for what in ("model", "Sockets", "memory", "NUMA", "driver"):
        assert any(what in note for note in found.notes), what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read: No such file"),
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 5000, "is no JSON"),
        ("\udcff", "is no JSON"),
        ("[]", "neither a machine nor a recording"),
        ("{}", "neither a machine nor a recording"),
        ('{"system": {"id": "x"}}', "neither a machine nor a recording"),
        ('{"recording": 9}', "recording is of version 9, and this program reads version 1"),
        ('{"schema": "2"}', "schema is of version '2'"),
        ('{"schema": 1}', "cpu"),
        ('{"schema": 1, "cpu": {"architecture": "x86_64", "sockets": 0}}', "must be 1 or more"),
        ('{"recording": 1, "architecture": "x86_64", "files": [1]}', "files: expected a mapping"),
        ('{"recording": 1, "architecture": "x86_64", "nvml": {"devices": [{"index": 0}]}}', "name"),
        ('{"recording": 1, "architecture": "x86_64", "affinity": "all"}', "must be a list of CPUs"),
        ('{"recording": 1, "architecture": "x86_64", "gpus": 4}', "gpus: no such field"),
    ],
)
def test_another_file_is_refused_with_a_sentence(tmp_path, text, words):
    path = tmp_path / "machine.json"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        load_machine(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_machine(tmp_path)


@pytest.mark.parametrize(
    ("where", "value", "path"),
    [
        (("accelerators", 0, "vram"), -1, "accelerators.vram"),
        (("accelerators", 0, "power_limit_watts"), -72.0, "accelerators.power_limit_watts"),
        (("numa", 0, "index"), 2**70, "numa.index"),
        (("numa", 0, "cpus"), [2**40], "numa.cpus"),
        (("memory",), -1, "memory"),
    ],
)
def test_a_machine_that_cannot_be_is_refused(machine, tmp_path, where, value, path):
    node = tree = unstructure(machine("l4"))
    for key in where[:-1]:
        node = node[key]
    node[where[-1]] = value
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_machine(file)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_recording_that_names_more_cpus_than_linux_has_costs_nothing(tmp_path):
    file = tmp_path / "machine.json"
    tree = {"recording": 1, "architecture": "x86_64", "affinity": "0-4294967295"}
    file.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(ConfigError, match="affinity"):
        load_machine(file)
