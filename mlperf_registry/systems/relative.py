"""relative(): the known system that is most like a machine, whose tuned values an unknown one may start from.

Likeness goes by the accelerator first: its model, then its compute capability, then its generation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from enum import IntEnum

import attrs

from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.systems.comparison import Model, shown_capability, shown_size

_GENERATIONS = {
    "Volta": (70, 72),
    "Turing": (75,),
    "Ampere": (80, 86, 87, 88),
    "Ada": (89,),
    "Hopper": (90,),
    "Blackwell": (100, 101, 103, 110, 120, 121),
}
"""Generation to its compute capabilities, oldest first (docs.nvidia.com/cuda/cuda-c-programming-guide)."""
_ORDER = {sm: place for place, generation in enumerate(_GENERATIONS.values()) for sm in generation}
_SLICE = re.compile(r"(?:(?P<part>\d+)c\.)?(?P<whole>\d+)g\.")
"""Compute slices of a MIG profile: of 3g.40gb three, of 1c.3g.40gb, a compute instance within such a slice, one."""
_SLICES = 7
"""Into how many of them MIG cuts a GPU (docs.nvidia.com/datacenter/tesla/mig-user-guide)."""
_IN_FOUR, _FOUR = re.compile(r"\bA30\b|\bRTX PRO 6000\b"), 4
"""GPUs that it cuts into fewer."""
_ALIKE_WORDS = 0.5


class Degree(IntEnum):
    """How alike two systems are, most alike first."""

    SAME_MODEL = 0
    SAME_CAPABILITY = 1
    """GPUs of one compute capability; processors of one family."""
    SAME_GENERATION = 2
    SAME_DEVICE = 3
    """Both have GPUs on cards, both have GPUs that share the host's chip, or neither has one."""
    OTHER_DEVICE = 4


@attrs.frozen
class Likeness:
    """How alike two kinds are; the smaller, the more."""

    degree: Degree
    distance: float
    """Within a degree: how far apart memory and power limit are, in powers of e; of other generations, also those."""


@attrs.frozen(kw_only=True)
class Kind:
    """What a machine and a known system have in common: their accelerators, or the processor where there is none."""

    model: Model
    gpu: bool
    count: int
    compute_sm: int | None = None
    vram: tuple[int, ...] = ()
    power_limit_watts: float | None = None
    integrated: bool = False
    mig_profile: str | None = None
    architecture: str | None = None

    @classmethod
    def of_machine(cls, machine: Machine) -> Kind:
        """The kind of a machine; of unlike accelerators, the kind that most of them are, with the least memory."""
        architecture, seen = machine.cpu.architecture, machine.accelerators
        if not seen:
            names = (machine.cpu.model,) if machine.cpu.model else ()
            return cls(model=Model(names=names), gpu=False, count=0, architecture=architecture)
        shown = Counter(one.name for one in seen)
        most = max(seen, key=lambda one: shown[one.name])
        known = [one.vram for one in seen if one.vram]
        board = (machine.board,) if machine.board and most.integrated else ()
        return cls(
            model=Model((most.pci_id,) if most.pci_id else (), (most.name, *board)),
            gpu=True,
            count=len(seen),
            compute_sm=most.compute_sm,
            vram=(min(known),) if known else (),
            power_limit_watts=most.power_limit_watts,
            integrated=most.integrated,
            mig_profile=most.mig_profile,
            architecture=architecture,
        )

    @classmethod
    def of_system(cls, system: System) -> Kind:
        """The kind that a system's rules describe."""
        rules, cpu = system.match.accelerator, system.match.cpu
        gpu = "gpu" in system.devices
        has_processor_only = not gpu and not system.accelerator_count
        return cls(
            model=Model(names=cpu.names, name_patterns=cpu.name_patterns) if has_processor_only else Model.of(rules),
            gpu=gpu,
            count=system.accelerator_count,
            compute_sm=rules.compute_sm,
            vram=rules.vram,
            power_limit_watts=rules.power_limit_watts,
            integrated=rules.integrated,
            mig_profile=rules.mig_profile,
            architecture=cpu.architecture,
        )

    @property
    def compute_share(self) -> float:
        """How much of a GPU each accelerator is: 1, of a MIG slice less."""
        slices = _SLICE.match(self.mig_profile or "")
        if slices is None:
            return 1.0
        in_four = any(map(_IN_FOUR.search, (*self.model.names, self.model.label or "")))
        return int(slices["part"] or slices["whole"]) / (_FOUR if in_four else _SLICES)

    @property
    def capacity(self) -> float:
        """All accelerators together, in whole GPUs."""
        return self.count * self.compute_share


def likeness(one: Kind, other: Kind) -> Likeness:
    """How alike two kinds are, either way round; their numbers of accelerators do not matter."""
    if one.gpu != other.gpu:
        return Likeness(Degree.OTHER_DEVICE, 0.0)
    if not one.gpu:
        return _processors(one, other)
    sizes = apart(*_closest(one.vram, other.vram)) + apart(one.power_limit_watts, other.power_limit_watts)
    if one.model.is_same_as(other.model):
        return Likeness(Degree.SAME_MODEL, sizes)
    if one.integrated != other.integrated:
        return Likeness(Degree.OTHER_DEVICE, sizes + _generations_apart(one, other))
    if one.compute_sm is not None and one.compute_sm == other.compute_sm:
        return Likeness(Degree.SAME_CAPABILITY, sizes)
    between = _generations_apart(one, other)
    return Likeness(Degree.SAME_DEVICE if between else Degree.SAME_GENERATION, sizes + between)


@attrs.frozen
class Relative:
    """The nearest known system."""

    system: System
    degree: Degree
    reasons: tuple[str, ...]
    """What they share, and in what they differ."""


def relative(machine: Machine, systems: Iterable[System], tuned: Collection[str] = ()) -> Relative | None:
    """The known system most like ``machine``; None for a machine without accelerators, or where no system has GPUs.

    Of systems as like in their accelerators, those with tuned values come first, then those of the same instruction
    set, those that NVIDIA still supports, and the nearest number of accelerators.

    Args:
        machine: what was detected.
        systems: what it may be like, in any order.
        tuned: ids of systems that have tuned values.
    """
    if not machine.accelerators:
        return None
    mine = Kind.of_machine(machine)
    ranked = nearest_first(mine, (system for system in systems if "gpu" in system.devices), tuned)
    if not ranked:
        return None
    found = ranked[0]
    theirs = Kind.of_system(found)
    degree = likeness(mine, theirs).degree
    return Relative(found, degree, tuple(_reasons(mine, theirs, found, degree, tuned)))


def nearest_first(kind: Kind, systems: Iterable[System], tuned: Collection[str] = ()) -> list[System]:
    """``systems`` in order of their likeness to ``kind``; the meaning of ``tuned`` is that of ``relative``."""

    def distance(system: System) -> tuple[float | str, ...]:
        theirs = Kind.of_system(system)
        like = likeness(kind, theirs)
        return (
            like.degree,
            system.id not in tuned,
            like.distance,
            kind.architecture != theirs.architecture,
            system.status != "known" or system.same_hardware_as is not None,
            apart(kind.capacity, theirs.capacity),
            len(system.id),
            system.id,
        )

    return sorted(systems, key=distance)


def apart(one: float | None, other: float | None) -> float:
    """How far apart two sizes are, in powers of e; where one is not known, as if it were twice the other."""
    if one and other:
        return abs(math.log(one) - math.log(other))
    return math.log(2) if one or other else 0.0


def _processors(one: Kind, other: Kind) -> Likeness:
    if one.model.is_same_as(other.model):
        return Likeness(Degree.SAME_MODEL, 0.0)
    shared = max((_shared(a, b) for a in one.model.names for b in other.model.names), default=0.0)
    same_family = shared >= _ALIKE_WORDS and one.architecture == other.architecture
    return Likeness(Degree.SAME_CAPABILITY if same_family else Degree.SAME_DEVICE, 1 - shared)


def _shared(one: str, other: str) -> float:
    """The share of words without digits, which are numbers of models and clocks, that two names have in common."""
    mine, theirs = (set(re.findall(r"\b[a-z]{3,}\b", name.lower())) for name in (one, other))
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 0.0


def _closest(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int | None, int | None]:
    pairs = [(a, b) for a in one for b in other]
    return min(pairs, key=lambda pair: apart(*pair), default=(None, None))


def _generations_apart(one: Kind, other: Kind) -> float:
    newest = len(_GENERATIONS)
    places = [_ORDER.get(kind.compute_sm or 0, newest) for kind in (one, other)]
    # As much as any memory or power limit could differ.
    return 10.0 * abs(places[0] - places[1])


def _reasons(mine: Kind, theirs: Kind, found: System, degree: Degree, tuned: Collection[str]) -> Iterable[str]:
    name = found.accelerator or found.id
    sm = None if theirs.compute_sm is None else shown_capability(theirs.compute_sm)
    if degree is Degree.SAME_MODEL:
        yield f"the same GPU, {name}"
    elif degree is Degree.SAME_CAPABILITY:
        yield f"{name} has the same compute capability, {sm}"
    elif degree is Degree.SAME_GENERATION:
        yield f"{name} is of the same generation"
    else:
        yield f"{name} is the nearest that is known"
    if mine.vram and theirs.vram:
        here, there = _closest(mine.vram, theirs.vram)
        if here and there and here < there * (1 - found.match.accelerator.vram_tolerance / 100):
            yield f"{shown_size(there)} of memory each there, {shown_size(here)} here"
    if (mine.count, mine.mig_profile) != (theirs.count, theirs.mig_profile):
        yield f"{_shown_count(theirs)} there, {_shown_count(mine)} here"
    if tuned and found.id not in tuned:
        yield "without tuned values"


def _shown_count(kind: Kind) -> str:
    return (
        f"{kind.count} of {kind.mig_profile}" if kind.mig_profile else f"{kind.count} whole GPU{'s'[: kind.count - 1]}"
    )
