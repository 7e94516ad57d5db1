"""A machine for the eye: the block that NVIDIA's code prints, with what it leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs

from mlperf_registry.schema.machine import Accelerator, Machine
from mlperf_registry.schema.numa_string import ranges
from mlperf_registry.systems.comparison import shown_size
from mlperf_registry.systems.numa import own_string

_HEAD = " DETECTED SYSTEM "
_LEAST_WIDTH = 44
_UNKNOWN = "unknown"
_ONE_EACH = ("index", "uuid", "pci_address", "numa_node")
"""What tells one accelerator from another of its kind."""


def block(machine: Machine) -> str:
    """The lines of it."""
    body = list(_lines(machine))
    width = max(_LEAST_WIDTH, *(len(line) for line in body if not line.startswith("    Note:")))
    return "\n".join([_HEAD.center(width, "="), "", "SystemConfiguration:", *body, "", "=" * width])


def _lines(machine: Machine) -> Iterator[str]:
    cpu = machine.cpu
    if machine.board is not None:
        yield f"    Board: {machine.board}"
    yield "    CPUConfiguration:"
    yield f"        {_or_unknown(cpu.sockets)}x CPU ({cpu.architecture}): {_or_unknown(cpu.model)}"
    yield f"            {_or_unknown(cpu.cores_per_socket)} Cores, {_or_unknown(cpu.threads_per_core)} Threads/Core"
    yield f"    MemoryConfiguration: {_memory(machine.memory)}"
    yield "    AcceleratorConfiguration:" + ("" if machine.accelerators else " None")
    for accelerator, count in _kinds(machine):
        yield from _accelerator(accelerator, count)
    if machine.dla_count:
        yield f"        {machine.dla_count}x DLA"
    yield from _nodes(machine)
    yield f"    NUMA Config String: {own_string(machine) or None}"
    if machine.versions:
        yield "    Versions:"
        yield from (f"        {name}: {version}" for name, version in machine.versions.items())
    yield from (f"    Note: {note}" for note in machine.notes)


def _kinds(machine: Machine) -> list[tuple[Accelerator, int]]:
    alike = Counter(tuple(_of_kind(one).items()) for one in machine.accelerators)
    shown = {tuple(_of_kind(one).items()): one for one in machine.accelerators}
    return [(shown[key], count) for key, count in alike.items()]


def _of_kind(accelerator: Accelerator) -> dict[str, object]:
    facts = attrs.asdict(accelerator)
    return {name: value for name, value in facts.items() if name not in _ONE_EACH}


def _accelerator(one: Accelerator, count: int) -> Iterator[str]:
    what = "GPU" if one.mig_profile is None else "MIG slice"
    pci = "" if one.pci_id is None else f" (0x{one.pci_id}10DE)"
    yield f"        {count}x {what}{pci}: {one.name}"
    if one.mig_profile is not None:
        yield f"            MIG Profile: {one.mig_profile}"
    yield f"            AcceleratorType: {'Integrated' if one.integrated else 'Discrete'}"
    yield f"            SM Compute Capability: {_or_unknown(one.compute_sm)}"
    yield f"            Memory Capacity: {_UNKNOWN if one.vram is None else f'{one.vram / 2**30:.2f} GiB'}"
    limit = one.power_limit_watts
    yield f"            Max Power Limit: {_UNKNOWN if limit is None else f'{limit:.1f} W'}"
    if one.nvlinks:
        yield f"            NVLinks: {one.nvlinks}"


def _nodes(machine: Machine) -> Iterator[str]:
    if not machine.numa:
        return
    yield "    NUMA Nodes:"
    for node in machine.numa:
        gpus = [number for number, one in enumerate(machine.accelerators) if one.numa_node == node.index]
        nics = [nic.name for nic in machine.nics if nic.numa_node == node.index]
        parts = [f"cores {ranges(node.cpus)}" if node.cpus else "no cores"]
        parts += [] if node.memory is None else [shown_size(node.memory)]
        parts += [f"accelerators {ranges(gpus)}"] if gpus else []
        parts += [", ".join(nics)] if nics else []
        yield f"        {node.index}: {'; '.join(parts)}"


def _memory(size: int | None) -> str:
    return _UNKNOWN if size is None else f"{size / 1e9:.2f} GB"


def _or_unknown(fact: int | str | None) -> str:
    return _UNKNOWN if fact is None else str(fact)
