"""derive(): the system of a machine that no known one fits, on the values of its nearest relative.

An unknown machine must run; that it is unknown stays in its name, and what it takes over in ``base``.
"""

from __future__ import annotations

import re
from typing import Literal, cast

from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.schema.sections.system import SystemBase
from mlperf_registry.schema.system_match import AcceleratorMatch, CpuMatch, SystemMatch
from mlperf_registry.systems.relative import Kind, Relative

UNREGISTERED = "UNREGISTERED"
"""How NVIDIA's code begins the name of a system that it does not know."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MIB, _GIB = 2**20, 2**30
_DIGITS = 6
_ROUND_GIB = 0.01
"""Memory this close to whole GiB is meant to be that: drivers keep some for themselves."""
_SMALLEST = 0.001
"""The least factor on sizes that a base may state."""
_ARCHITECTURES = ("x86_64", "aarch64")
_PATHS = ("start_from_device_enabled", "end_on_device_enabled")
"""Tags that state a path from network cards to accelerators, which nobody has seen on this machine."""


def unregistered_id(machine: Machine) -> str:
    """``UNREGISTERED_<arch>_<GPU>x<N>``, of MIG slices ``..._<GPU>-MIG_<N>x<profile>``, of neither ``..._CPU``."""
    kind = Kind.of_machine(machine)
    if not kind.gpu:
        what = "CPU"
    elif kind.mig_profile is None:
        what = f"{_safe(kind.model.names[0])}x{kind.count}"
    else:
        what = f"{_safe(kind.model.names[0])}-MIG_{kind.count}x{_safe(kind.mig_profile)}"
    return f"{UNREGISTERED}_{_safe(machine.cpu.architecture)}_{what}"


def derive(machine: Machine, relative: Relative | System | None, name: str | None = None) -> System:
    """The system that ``machine`` is, by what was detected.

    Args:
        machine: what was detected.
        relative: whose tuned values it takes over; None: nobody's. Tags that state how the network reaches its
            accelerators stay its own.
        name: its id; by default the one of ``unregistered_id``.
    """
    kin = relative.system if isinstance(relative, Relative) else relative
    mine = Kind.of_machine(machine)
    count = mine.count
    gpu = mine.model.names[0] if mine.gpu else None
    accelerator = f"{gpu} ({mine.mig_profile} MIG)" if gpu and mine.mig_profile else gpu
    what = f"{count} x {accelerator}" if accelerator else machine.cpu.model or "A machine without an accelerator"
    return System(
        id=name or unregistered_id(machine),
        description=what,
        devices=("gpu", "cpu") if mine.gpu else ("cpu",),
        category=kin.category if kin else None,
        accelerator=accelerator,
        accelerator_count=count,
        tags=(
            *(tag for tag in (kin.tags if kin else ()) if tag not in _PATHS),
            "custom" if name else "unregistered",
        ),
        base=base_of(mine, kin) if kin else None,
        match=_rules(machine, mine),
    )


def base_of(mine: Kind, kin: System) -> SystemBase:
    """What to take over of a relative, and how: rates go by accelerators, sizes by their memory, never up."""
    theirs = Kind.of_system(kin)
    rate = mine.capacity / theirs.capacity if mine.capacity and theirs.capacity else 1.0
    size = 1.0
    if mine.vram and theirs.vram:
        there = min(theirs.vram, key=lambda vram: abs(vram - mine.vram[0]))
        within = 1 - kin.match.accelerator.vram_tolerance / 100
        size = 1.0 if mine.vram[0] >= there * within else max(mine.vram[0] / there, _SMALLEST)
    return SystemBase(system=kin.id, rate_factor=_rounded(rate), size_factor=_rounded(size))


def _rules(machine: Machine, kind: Kind) -> SystemMatch:
    """What was seen, as rules that this machine keeps."""
    cpu, seen = machine.cpu, machine.accelerators
    rules = CpuMatch(
        vendor=cpu.vendor,
        architecture=cast(Literal["x86_64", "aarch64"], cpu.architecture)
        if cpu.architecture in _ARCHITECTURES
        else None,
        names=(" ".join(cpu.model.split()),) if cpu.model else (),
        sockets=cpu.sockets,
        cores_per_socket=(cpu.cores_per_socket,) if cpu.cores_per_socket else (),
        threads_per_core=(cpu.threads_per_core,) if cpu.threads_per_core else (),
    )
    limits = {one.power_limit_watts for one in seen}
    capabilities = {one.compute_sm for one in seen}
    vram = tuple(sorted({_readable(one.vram) for one in seen if one.vram}))
    accelerator = AcceleratorMatch(
        names=tuple(dict.fromkeys(" ".join(one.name.split()) for one in seen)),
        pci_ids=tuple(sorted({one.pci_id for one in seen if one.pci_id})) if all(one.pci_id for one in seen) else (),
        compute_sm=capabilities.pop() if len(capabilities) == 1 else None,
        vram=vram,
        power_limit_watts=limits.pop() if len(limits) == 1 else None,
        integrated=kind.integrated,
        mig_profile=kind.mig_profile,
    )
    memory = None if machine.memory is None else _readable(machine.memory)
    return SystemMatch(
        cpu=rules,
        host_memory=memory,
        accelerator=accelerator if seen else AcceleratorMatch(),
        dla_count=machine.dla_count,
    )


def _readable(size: int) -> int:
    """Whole GiB where that is what is meant, else whole MiB; never so far off that the machine breaks its own rule."""
    gib = round(size / _GIB) * _GIB
    return gib if gib and abs(gib - size) <= _ROUND_GIB * size else max(round(size / _MIB), 1) * _MIB


def _rounded(factor: float) -> float:
    return float(f"{factor:.{_DIGITS}g}")


def _safe(name: str) -> str:
    return _UNSAFE.sub("-", name).strip("-")
