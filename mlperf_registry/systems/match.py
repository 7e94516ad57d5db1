"""match(): which known system a machine is, by the most rules that hold, and what the near misses differ in.

A fact that could not be read refutes nothing, except that number and model of the accelerators must be seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from itertools import takewhile

import attrs

from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.systems.comparison import Comparison, compare, models_of
from mlperf_registry.systems.relative import Degree, Kind, apart, likeness

NEAR_MISSES = 5
"""How many systems that do not match are told."""

_IDENTITY = 4
"""How many other rules one counts for that identifies a system, such as the number of accelerators."""
_STATUSES = ("known", "deprecated", "submission-only", "config-only")
"""Of systems that match alike, the first is meant."""


@attrs.frozen(slots=False)
class Candidate:
    """A system that the machine is, or nearly is."""

    system: System
    comparisons: tuple[Comparison, ...]
    """Every rule that the system states, the accelerators' first."""

    @cached_property
    def matches(self) -> bool:
        """Whether the machine is this system."""
        return bool(self.comparisons) and not self.differing and not self.unconfirmed

    @cached_property
    def specificity(self) -> int:
        """How many rules are confirmed."""
        return sum(one.verdict == "same" for one in self.comparisons)

    @cached_property
    def differing(self) -> tuple[Comparison, ...]:
        """Rules that the machine breaks."""
        return tuple(one for one in self.comparisons if one.verdict == "differs")

    @cached_property
    def unconfirmed(self) -> tuple[Comparison, ...]:
        """Rules that must be seen to hold, and that the machine does not say."""
        return tuple(one for one in self.comparisons if one.identifies and one.verdict == "unknown")

    @property
    def text(self) -> str:
        """What keeps the machine from being this system, or leaves it in doubt; empty where nothing does."""
        return "; ".join(one.text for one in (*self.differing, *self.unconfirmed))


@attrs.frozen
class Matching:
    """What matching found."""

    best: System | None
    """The system that the machine is."""
    tied: tuple[System, ...]
    """Others that it is as much: their rules and rank are equal."""
    candidates: tuple[Candidate, ...]
    """Systems that match, best first, then the near misses, nearest first."""


def match(machine: Machine, systems: Iterable[System], *, own: Collection[str] = ()) -> Matching:
    """Which of ``systems`` the machine is.

    The user's own come before shipped ones, since whoever registers a system means it. Then the most rules confirmed
    win; of equals the one that NVIDIA still supports, then the newest. An older id gives way to the system that it is
    the same hardware as, where that matches too.

    Args:
        machine: what was detected.
        systems: what it may be, in any order.
        own: ids of the user's own systems.
    """
    known = sorted(systems, key=lambda system: system.id)
    models = models_of(known)
    judged = [Candidate(system, compare(machine, system, models)) for system in known]
    fitting = [one for one in judged if one.matches]
    ids = {one.system.id for one in fitting}

    def standing(one: Candidate) -> tuple[bool, bool, int, int]:
        system = one.system
        return (
            system.same_hardware_as in ids,
            system.id not in own,
            -one.specificity,
            _STATUSES.index(system.status),
        )

    fitting.sort(key=lambda one: (*standing(one), _age(one.system), len(one.system.id), one.system.id))
    best = fitting[0] if fitting else None
    alike = [one.system for one in takewhile(lambda one: best and standing(one) == standing(best), fitting)]
    near = _near_misses(machine, [one for one in judged if one.comparisons and not one.matches])
    return Matching(best.system if best else None, tuple(alike[1:]), (*fitting, *near))


def _age(system: System) -> tuple[int, ...]:
    """Sorts the system of the newest round first, and of no round last."""
    newest = max(map(_version, system.rounds), default=())
    return (not newest, *(-part for part in newest))


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.lstrip("v").split(".") if part.isdigit())


def _near_misses(machine: Machine, others: Iterable[Candidate]) -> list[Candidate]:
    """Systems of the same or a similar GPU, those that miss by little first."""
    mine = Kind.of_machine(machine)
    ranked = []
    for one in others:
        theirs = Kind.of_system(one.system)
        like = likeness(mine, theirs)
        if like.degree <= Degree.SAME_CAPABILITY:
            number = apart(mine.capacity, theirs.capacity)
            ranked.append(((like.degree, _misses(one), number, like.distance, -one.specificity, one.system.id), one))
    ranked.sort(key=lambda pair: pair[0])
    return [one for _, one in ranked[:NEAR_MISSES]]


def _misses(one: Candidate) -> int:
    """How much differs: all that another processor changes counts once, and what identifies a system counts more."""
    wrong = (*one.differing, *one.unconfirmed)
    processor = any(rule.processor for rule in wrong)
    return processor + sum(_IDENTITY if rule.identifies else 1 for rule in wrong if not rule.processor)
