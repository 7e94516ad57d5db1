"""The keys of a system description that a machine and its system know already, so that nobody has to type them.

NVIDIA's published descriptions are the model for their wording.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from mlperf_registry.schema.machine import Accelerator, Machine, Nic
from mlperf_registry.schema.sections import System
from mlperf_registry.systems.comparison import shown_size

_ENGINES = {
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT-RTX",
    "tensorrt_llm": "TensorRT-LLM",
    "vllm": "vLLM",
    "onnxruntime": "ONNX Runtime",
}
_PLATFORM = {"cuda": "CUDA"}
_BELOW = {"l4t": "L4T", "cudnn": "cuDNN", "driver": "Driver", "kernel": ""}
"""Name of a version to its name in descriptions, in their order; a kernel's version says its name."""

_NVLINK_GENERATIONS = {
    70: "2nd",
    72: "2nd",
    75: "2nd",
    80: "3rd",
    86: "3rd",
    90: "4th",
    100: "5th",
    103: "5th",
}
"""Compute capability to the generation of its NVLink."""

_MEMORY_KINDS = (
    (r"\b(HBM\d\w*|GDDR\d\w*|LPDDR\d\w*)\b", None),
    (r"\b(GB300|GB200|B300|B200|H200|GH200.*14[14]GB)", "HBM3e"),
    (r"\bH100[- ]PCIe|\bA100\b.*\b80GB", "HBM2e"),
    (r"\b(GH200|H100)", "HBM3"),
    (r"\b(A100|A30|V100)\b", "HBM2"),
    (r"\b(RTX 30[89]0)\b", "GDDR6X"),
    (r"\b(L40S?|L4|A40|A16|A10|A2|T4|TITAN RTX)\b", "GDDR6"),
    (r"\b(Thor|GB10)\b", "LPDDR5X"),
    (r"\bOrin\b", "LPDDR5"),
    (r"\bXavier\b", "LPDDR4x"),
)
"""Pattern in a model's name to the kind of its memory (None: the match itself); NVIDIA's data sheets."""

_CHIP_TO_CHIP = re.compile(r"\b(GH200|GB200|GB300)\b")
_INFINIBAND = re.compile(r"ib|mlx\d|hfi\d")
"""Interfaces over InfiniBand, and its cards without any interface."""
_NONE = "N/A"


def machine_facts(machine: Machine) -> dict[str, str | int]:
    """What the host shows, whatever its accelerators; an unknown fact has no key."""
    cpu = machine.cpu
    found = {
        "host_processor_model_name": f"ARM {cpu.model}" if cpu.model and cpu.vendor == "ARM" else cpu.model,
        "host_processors_per_node": cpu.sockets,
        "host_processor_core_count": cpu.cores_per_socket,
        "host_memory_capacity": None if machine.memory is None else shown_size(machine.memory),
        "operating_system": machine.versions.get("os"),
        "host_networking": " and ".join(sorted({_network(nic) for nic in machine.nics})),
        "host_network_card_count": _cards(machine.nics),
    }
    return {key: value for key, value in found.items() if value}


def software_facts(machine: Machine, *, accelerated: bool) -> dict[str, str]:
    """Libraries with their versions; ``accelerated``: whether the system has accelerators, and so their software."""
    versions = machine.versions
    engines = _ENGINES if accelerated else {name: _ENGINES[name] for name in ("vllm", "onnxruntime")}
    platform = _PLATFORM if accelerated else {}
    below = _BELOW if accelerated else {"kernel": _BELOW["kernel"]}

    def listed(*tables: dict[str, str]) -> Iterator[str]:
        for table in tables:
            yield from (f"{label} {versions[name]}".lstrip() for name, label in table.items() if name in versions)

    found = {"other_software_stack": ", ".join(listed(engines, platform, below))}
    if any(name in versions for name in engines):  # CUDA alone runs no network
        found["framework"] = ", ".join(listed(engines, platform))
    return {key: value for key, value in found.items() if value}


def engine_name(machine: Machine) -> str | None:
    """The engine library that results will be known by, without its version."""
    return next((label for name, label in _ENGINES.items() if name in machine.versions), None)


def accelerator_facts(machine: Machine) -> dict[str, str | int]:
    """What one of the machine's accelerators shows, and its links; of a machine with accelerators."""
    one = machine.accelerators[0]
    found = {
        "accelerator_model_name": one.name,
        **_of_model(one.name, one.vram, one.integrated, one.power_limit_watts),
        "accelerator_interconnect": _NONE if one.integrated else _links(one),
    }
    return {key: value for key, value in found.items() if value}


def system_facts(system: System) -> dict[str, str | int]:
    """What a system says of itself and of its accelerators, here or elsewhere."""
    wanted = system.match.accelerator
    model = system.accelerator if system.accelerator_count else None
    found: dict[str, str | int | None] = {"system_type": system.category, "accelerator_model_name": model}
    if model is not None:
        vram = wanted.vram[0] if wanted.vram else None
        found |= _of_model(model, vram, wanted.integrated, wanted.power_limit_watts)
    return {key: value for key, value in found.items() if value}


def no_accelerators() -> dict[str, str | int]:
    """What is said of accelerators where there are none."""
    return {
        # As text: the checker takes the number 0 for an empty answer.
        "accelerators_per_node": "0",
        **dict.fromkeys(
            (
                "accelerator_model_name",
                "accelerator_memory_capacity",
                "accelerator_host_interconnect",
                "accelerator_interconnect",
                "accelerator_memory_configuration",
            ),
            _NONE,
        ),
    }


def _of_model(name: str, vram: int | None, integrated: bool, power: float | None) -> dict[str, str | None]:
    return {
        "accelerator_memory_capacity": "Shared with host" if integrated else None if vram is None else shown_size(vram),
        "accelerator_memory_configuration": _memory_kind(name),
        "accelerator_host_interconnect": (
            _NONE if integrated else "NVLink-C2C" if _CHIP_TO_CHIP.search(name) else None
        ),
        "hw_notes": None if power is None or integrated else f"Accelerator power limit {power:g} W",
    }


def _memory_kind(name: str) -> str | None:
    for pattern, kind in _MEMORY_KINDS:
        found = re.search(pattern, name)
        if found is not None:
            return kind or found[0]
    return None


def _links(one: Accelerator) -> str:
    if not one.nvlinks:
        return _NONE
    generation = _NVLINK_GENERATIONS.get(one.compute_sm or 0)
    return f"{one.nvlinks}x {'' if generation is None else f'{generation} Gen '}NVLink"


def _network(nic: Nic) -> str:
    return "InfiniBand" if _INFINIBAND.match(nic.name) else "Wi-Fi" if nic.name.startswith("wl") else "Ethernet"


def _cards(nics: tuple[Nic, ...]) -> str:
    def rate(nic: Nic) -> str:
        mbit = nic.speed_mbit
        return "" if mbit is None else f"{mbit} Mb/s " if mbit < 1000 else f"{mbit / 1000:g} Gb/s "

    kinds = Counter(f"{rate(nic)}{_network(nic)}" for nic in nics)
    return ", ".join(f"{count}x {kind}" for kind, count in kinds.items())
