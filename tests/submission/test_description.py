"""A system description has MLCommons' keys, means what NVIDIA says of the same machine, and tells all lacks at once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from mlperf_registry import Registry
from mlperf_registry.detect.machine import load_machine
from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.description import SubmissionDescription
from mlperf_registry.schema.machine import Accelerator, Cpu, Machine, Nic
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.schema.sections import System
from mlperf_registry.structure import structure
from mlperf_registry.submission.description import MAY_BE_EMPTY, NETWORK, REQUIRED, describe, draft, to_json

_GIB = 2**30

# The checker's list (mlcommons/inference, tools/submission/submission_checker/constants.py), in its order.
_CHECKED = [
    "division",
    "submitter",
    "status",
    "system_name",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "host_memory_capacity",
    "host_storage_capacity",
    "host_storage_type",
    "accelerators_per_node",
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "framework",
    "operating_system",
    "system_type",
    "other_software_stack",
    "host_processor_frequency",
    "host_processor_caches",
    "host_memory_configuration",
    "host_processor_interconnect",
    "host_networking",
    "host_networking_topology",
    "accelerator_frequency",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
    "accelerator_memory_configuration",
    "accelerator_on-chip_memories",
    "cooling",
    "hw_notes",
    "sw_notes",
    "host_network_card_count",
    "system_type_detail",
]

_WORDS = SubmissionDescription(
    submitter="Example",
    status="available",
    system_type="edge",
    host_storage_capacity="1 TB SSD",
    host_storage_type="NVMe SSD",
    host_memory_configuration="4x 32GB",
    host_networking_topology="Ethernet on switching network",
    accelerator_host_interconnect="PCIe Gen4 x16",
    cooling="Air-cooled",
)
"""What no machine shows."""

_RECORDINGS = {
    "DGX-H100_H100-SXM-80GBx8": "dgx_h100",
    "GH200-GraceHopper-Superchip_GH200-144GB_aarch64x1": "gh200",
    "Orin": "orin",
}
"""System to a recording of such a machine."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(scope="module")
def published(checkout: Path) -> dict[str, dict[str, Any]]:
    text = (checkout / "tests" / "data" / "published_descriptions.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)["descriptions"]
    return found


def _system(registry: Registry, name: str) -> System:
    return registry.get(system=name, benchmark="resnet50", scenario="offline").system


def _recorded(checkout: Path, name: str) -> Machine:
    return load_machine(checkout / "tests" / "data" / "machines" / f"{_RECORDINGS[name]}.json")


def _laptop() -> tuple[System, Machine]:
    machine = Machine(
        cpu=Cpu(
            model="AMD Ryzen 7", architecture="x86_64", vendor=None, sockets=1, cores_per_socket=8, threads_per_core=2
        ),
        memory=31 * _GIB,
        nics=(Nic(name="wlp1s0"), Nic(name="enp2s0", speed_mbit=2500)),
        versions=FrozenMap({"os": "Ubuntu 24.04", "onnxruntime": "1.23", "kernel": "Linux 6.8.0", "driver": "570"}),
    )
    return System(id="laptop", devices=("cpu",), description="A laptop", submission=_WORDS), machine


def _told(system: System, machine: Machine | None = None) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        describe(system, machine)
    return {problem.path.removeprefix("system.submission."): str(problem) for problem in caught.value.problems}


def test_the_keys_are_the_checkers_in_its_order():
    assert list(REQUIRED) == _CHECKED
    system, machine = _laptop()
    assert list(json.loads(to_json(describe(system, machine)))) == _CHECKED


def test_a_published_description_pasted_into_the_yaml_comes_out_as_it_went_in(registry, published):
    for name, theirs in published.items():
        pasted = {key.replace("on-chip", "on_chip"): value for key, value in theirs.items() if value != ""}
        pasted |= {key.replace("on-chip", "on_chip"): theirs[key] for key in MAY_BE_EMPTY}
        system = attrs.evolve(_system(registry, name), submission=structure(SubmissionDescription, pasted))
        ours = json.loads(to_json(describe(system)))
        assert ours == {key: value for key, value in theirs.items() if key in REQUIRED or value != ""}, name


@pytest.mark.parametrize("name", _RECORDINGS)
def test_what_is_detected_means_what_nvidia_wrote(registry, published, checkout, name):
    theirs = published[name]
    machine = _recorded(checkout, name)
    ours = draft(_system(registry, name), machine).values
    same = {
        "division",
        "number_of_nodes",
        "accelerators_per_node",
        "accelerator_model_name",
        "accelerator_host_interconnect",
        "accelerator_memory_configuration",
        "system_type",
        "system_type_detail",
    } & set(ours)
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    assert _core(ours["host_processor_model_name"]) in theirs["host_processor_model_name"]
    assert _gib(ours["host_memory_capacity"]) == pytest.approx(_gib(theirs["host_memory_capacity"]), rel=0.06)
    if machine.accelerators[0].integrated:
        assert ours["accelerator_memory_capacity"] == theirs["accelerator_memory_capacity"]
    else:
        memory = _gib(theirs["accelerator_memory_capacity"])
        assert _gib(ours["accelerator_memory_capacity"]) == pytest.approx(memory, rel=0.01)


def test_links_cards_and_cores_as_nvidia_counts_them(registry, checkout):
    name = "DGX-H100_H100-SXM-80GBx8"
    ours = draft(_system(registry, name), _recorded(checkout, name)).values
    assert ours["accelerator_interconnect"] == "18x 4th Gen NVLink"
    assert ours["host_network_card_count"] == "10x 400 Gb/s InfiniBand"
    assert (ours["host_processors_per_node"], ours["host_processor_core_count"]) == (2, 56)
    assert ours["hw_notes"] == "Accelerator power limit 700 W"
    assert ours["system_name"] == "NVIDIA DGXH100 (8x NVIDIA H100-SXM-80GB, TensorRT)"
    assert ours["framework"] == "TensorRT 10.2.0, CUDA 12.4.1"
    libraries = f"{ours['framework']}, cuDNN 8.9.7, Driver 550.54.15, Linux 5.15.0-1055-nvidia"
    assert ours["other_software_stack"] == libraries


def test_every_lack_is_told_at_once_with_what_it_means():
    system, machine = _laptop()
    told = _told(attrs.evolve(system, submission=SubmissionDescription()), machine)
    assert list(told) == [
        "submitter",
        "status",
        "host_storage_capacity",
        "host_storage_type",
        "system_type",
        "host_memory_configuration",
        "host_networking_topology",
        "cooling",
    ]
    assert "Organisation that submits" in told["submitter"]


def test_a_draft_has_what_is_there_and_says_where_each_value_comes_from():
    system, machine = _laptop()
    made = draft(
        attrs.evolve(system, submission=attrs.evolve(_WORDS, cooling=None, operating_system="My own")), machine
    )
    assert [problem.path for problem in made.problems] == ["system.submission.cooling"]
    assert made.values["operating_system"] == "My own"
    assert {made.sources[key] for key in ("operating_system", "submitter")} == {"submission"}
    assert made.sources["host_memory_capacity"] == "detected"
    assert made.sources["accelerators_per_node"] == "system"
    assert made.sources["number_of_nodes"] == "default"
    assert set(made.sources) == set(made.values)


@pytest.mark.parametrize(
    ("gpu", "memory"),
    [
        ("NVIDIA A100 80GB PCIe", "HBM2e"),
        ("NVIDIA A100-SXM4-80GB", "HBM2e"),
        ("NVIDIA A100-SXM4-40GB", "HBM2"),
        ("NVIDIA H100 PCIe", "HBM2e"),
        ("NVIDIA H100 80GB HBM3", "HBM3"),
        ("NVIDIA GH200 144G HBM3e", "HBM3e"),
        ("NVIDIA A10", "GDDR6"),
        ("NVIDIA GB10", "LPDDR5X"),
        ("NVIDIA GeForce RTX 9999", None),
    ],
)
def test_the_kind_of_memory_is_told_by_the_drivers_name(gpu, memory):
    system, machine = _laptop()
    machine = attrs.evolve(machine, accelerators=(Accelerator(index=0, name=gpu),))
    made = draft(attrs.evolve(system, accelerator_count=1), machine)
    assert made.values.get("accelerator_memory_configuration") == memory


def test_without_accelerators_nothing_is_empty_and_their_software_is_not_named():
    system, machine = _laptop()
    made = describe(system, machine).values
    # The checker asks `not value`, so that the number 0 would count as no answer.
    assert made["accelerators_per_node"] == "0"
    assert all(made[key] for key in REQUIRED if key not in MAY_BE_EMPTY)
    assert made["framework"] == "ONNX Runtime 1.23"
    assert made["other_software_stack"] == "ONNX Runtime 1.23, Linux 6.8.0"
    assert made["host_network_card_count"] == "1x Wi-Fi, 1x 2.5 Gb/s Ethernet"


def test_empty_text_answers_only_where_mlcommons_accepts_it():
    system, machine = _laptop()
    assert "cooling" in _told(attrs.evolve(system, submission=attrs.evolve(_WORDS, cooling="")), machine)
    silent = attrs.evolve(_WORDS, system_type_detail="")
    assert describe(attrs.evolve(system, submission=silent), machine).values["system_type_detail"] == ""


def test_accelerators_are_counted_for_each_node(registry):
    rack = _system(registry, "GB200-NVL72_GB200-186GB_aarch64x72")

    def over(nodes: int) -> System:
        return attrs.evolve(rack, submission=SubmissionDescription(number_of_nodes=nodes))

    assert draft(over(18)).values["accelerators_per_node"] == 4
    assert "5 nodes with 14 accelerators each are not the 72" in str(draft(over(5)).problems[-1])


def test_another_machine_is_not_taken_for_the_system(registry):
    _, laptop = _laptop()
    told = _told(_system(registry, "DGX-H100_H100-SXM-80GBx8"), laptop)
    assert "this machine shows 0 accelerators" in told["accelerators_per_node"]


def test_a_networked_system_says_all_of_its_network():
    system, machine = _laptop()
    networked = attrs.evolve(_WORDS, division="network", is_network=True)
    told = _told(attrs.evolve(system, submission=networked), machine)
    assert list(told) == [key for key in NETWORK if key != "is_network"]
    closed = attrs.evolve(_WORDS, is_network=True)
    assert "over a network" in _told(attrs.evolve(system, submission=closed), machine)["is_network"]
    alone = attrs.evolve(_WORDS, division="network")
    assert "is_network: true" in _told(attrs.evolve(system, submission=alone), machine)["division"]
    # The checker reads text, and takes any text for a yes.
    told_not = attrs.evolve(system, submission=attrs.evolve(_WORDS, is_network=False))
    assert "is_network" not in describe(told_not, machine).values


def test_wrong_words_are_refused_together_and_a_hyphen_is_forgiven_in_a_hint():
    wrong = {"division": "close", "status": "soon", "system_type": "laptop", "accelerator_on-chip_memories": "50 MB"}
    with pytest.raises(ConfigError) as caught:
        structure(System, {"id": "mine", "devices": ["cpu"], "submission": wrong})
    told = {problem.path: problem for problem in caught.value.problems}
    assert set(told) == {f"submission.{key}" for key in wrong}
    assert "closed, open, network" in told["submission.division"].message
    assert "accelerator_on_chip_memories" in (told["submission.accelerator_on-chip_memories"].hint or "")


def _gib(text: Any) -> float:
    number, unit = re.fullmatch(r"([\d.]+) ?([GT])i?B", text).groups()
    return float(number) * {"G": 1, "T": 1024}[unit]


def _core(model: Any) -> str:
    """What NVIDIA calls it: Grace is made of Neoverse-V2 cores."""
    return "Grace" if model == "ARM Neoverse-V2" else model
