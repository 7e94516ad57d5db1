"""Machine: what a machine is, as detection finds it, a recording keeps it and `mlperf systems detect --json` prints it.

A fact that could not be read is None; ``notes`` say why, since a fact unknown is not a fact that differs.
"""

from __future__ import annotations

from typing import Any

import attrs

from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.knob import at_least, between, knob
from mlperf_registry.schema.numa_string import HIGHEST, MAX_NODES

MACHINE_SCHEMA = 1
"""Version of the form of a Machine in JSON."""


def _numbers(value: Any) -> str | None:
    return None if all(0 <= one <= HIGHEST for one in value) else f"must be numbers from 0 to {HIGHEST}"


@attrs.frozen(kw_only=True)
class Cpu:
    """The host's processors, which are all alike."""

    vendor: str | None = knob("Vendor as the processor names itself, such as GenuineIntel; of Arm cores, ARM.")
    model: str | None = knob("Model name.")
    architecture: str = knob("Instruction set, such as x86_64 and aarch64.")
    sockets: int | None = knob("Sockets that are filled.", check=at_least(1))
    cores_per_socket: int | None = knob("Physical cores of a socket.", check=at_least(1))
    threads_per_core: int | None = knob("Hardware threads of a core.", check=at_least(1))


@attrs.frozen(kw_only=True)
class NumaNode:
    """One NUMA node; which accelerators and NICs belong to it, these say themselves."""

    index: int = knob("Number under which Linux knows it.", check=between(0, MAX_NODES - 1))
    cpus: tuple[int, ...] = knob("Logical CPUs, ascending.", check=_numbers)
    memory: int | None = knob("Memory of it.", unit="B", check=at_least(0), default=None)


@attrs.frozen(kw_only=True)
class Accelerator:
    """A whole GPU, or one MIG slice of one."""

    index: int = knob("Index of the GPU in the driver's order, of a slice its GPU's.", check=at_least(0))
    uuid: str | None = knob("UUID of it; of a slice, the slice's own.", default=None)
    name: str = knob("Name that the driver gives the GPU.")
    pci_id: str | None = knob("PCI device id, four hexadecimal digits in capitals, without the vendor's.", default=None)
    pci_address: str | None = knob("PCI address, such as 0000:1b:00.0.", default=None)
    compute_sm: int | None = knob("Compute capability without its point: 90 is 9.0.", default=None)
    vram: int | None = knob(
        "Memory of the GPU or slice; of an integrated GPU, the host's.", unit="B", check=at_least(0), default=None
    )
    power_limit_watts: float | None = knob(
        "Power limit in force; of a slice, of its GPU.", unit="W", unit_in_name=True, check=at_least(0), default=None
    )
    integrated: bool = knob("Whether it shares the host's chip and memory, as on Jetson.", default=False)
    nvlinks: int = knob("NVLinks that are up.", check=at_least(0), default=0)
    numa_node: int | None = knob("NUMA node that it hangs on.", default=None)
    mig_profile: str | None = knob("MIG profile, such as 1g.10gb; absent: a whole GPU.", default=None)


@attrs.frozen(kw_only=True)
class Nic:
    """A network card."""

    name: str = knob("Name of the interface.")
    numa_node: int | None = knob("NUMA node that it hangs on.", default=None)
    speed_mbit: int | None = knob("Speed of the link; absent: none, or not said.", default=None)


@attrs.frozen(kw_only=True)
class Machine:
    """One machine, as far as a process on it may see it."""

    schema: int = knob("Version of this form.", default=MACHINE_SCHEMA)
    cpu: Cpu = knob("The host's processors.")
    memory: int | None = knob("Host memory.", unit="B", check=at_least(0), default=None)
    numa: tuple[NumaNode, ...] = knob("NUMA nodes, by index; empty: the system does not say.", default=())
    accelerators: tuple[Accelerator, ...] = knob(
        "What CUDA processes may use: whole GPUs, or MIG slices where any GPU is sliced.", default=()
    )
    nics: tuple[Nic, ...] = knob("Physical network cards.", default=())
    board: str | None = knob("Model of the board by its device tree or firmware.", default=None)
    dla_count: int = knob("Deep-learning accelerators beside an integrated GPU.", check=at_least(0), default=0)
    versions: FrozenMap[str] = knob(
        "Versions by name, of what is there: driver, cuda_driver (the newest CUDA that it runs), cuda (installed, else "
        "the driver's), cudnn, tensorrt, tensorrt_rtx, tensorrt_llm, vllm, onnxruntime, os, l4t (Jetson's Linux), "
        "kernel.",
        default=FrozenMap({}),
    )
    notes: tuple[str, ...] = knob("What could not be read or is left out, each a sentence with the cure.", default=())
