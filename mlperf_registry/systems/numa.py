"""The NUMA string of a machine, and what is wrong with a string on one.

Pure functions: detection has read the machine before, the harness binds to the string later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.numa_string import NumaSegment, ranges, text


def own_string(machine: Machine) -> str:
    """The string that gives each NUMA node of a machine its accelerators and all of its cores.

    Nodes without accelerators are left empty, as NVIDIA's detection does; on a machine without any, each node has its
    cores, for engines that run on them. An accelerator whose node is unknown is left out, unless there is only one.

    Returns:
        The string; empty where the machine does not say which nodes it has, or which its accelerators hang on.
    """
    only = machine.numa[0].index if len(machine.numa) == 1 else None
    at = {node.index: node.cpus for node in machine.numa}
    segments = [NumaSegment()] * (max(at, default=-1) + 1)
    for index, cpus in at.items():
        gpus = tuple(
            number
            for number, accelerator in enumerate(machine.accelerators)
            if (only if accelerator.numa_node is None else accelerator.numa_node) == index
        )
        if cpus and (gpus or not machine.accelerators):
            segments[index] = NumaSegment(gpus, tuple(sorted(cpus)))
    while segments and segments[-1] == NumaSegment():
        segments.pop()
    return text(segments)


def misfits(segments: Sequence[NumaSegment], machine: Machine) -> tuple[str, ...]:
    """What a string asks for that a machine cannot give, each the end of a sentence; nothing where it fits.

    A GPU's number is its place among ``machine.accelerators``: what CUDA shows, in CUDA's order. Cores are not judged
    where the machine does not say which it has, nor GPUs where none was found: NVML may be hidden and CUDA work.
    """
    cores = {cpu for node in machine.numa for cpu in node.cpus}
    gpus = set(range(len(machine.accelerators)))
    return (
        *_lacking("core", (segment.cpus for segment in segments), cores),
        *_lacking("GPU", (segment.gpus for segment in segments), gpus),
        *_shared("core", [segment.cpus for segment in segments]),
        *_shared("GPU", [segment.gpus for segment in segments]),
    )


def _lacking(noun: str, named: Iterable[tuple[int, ...]], there: set[int]) -> tuple[str, ...]:
    absent = {number for numbers in named for number in numbers} - there
    if not absent or not there:
        return ()
    return (f"names {_named(noun, absent)}, and this machine has {_named(noun, there)}",)


def _shared(noun: str, named: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    times = Counter(number for numbers in named for number in numbers)
    twice = [number for number, count in times.items() if count > 1]
    if not twice:
        return ()
    nodes = [str(node) for node, numbers in enumerate(named) if not set(twice).isdisjoint(numbers)]
    return (f"gives {_named(noun, twice)} to the nodes {' and '.join(nodes)}",)


def _named(noun: str, numbers: Iterable[int]) -> str:
    listed = ranges(numbers)
    return f"{noun} {listed}" if listed.isdecimal() else f"{noun}s {listed}"
