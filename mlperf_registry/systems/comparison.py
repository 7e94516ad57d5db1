"""Comparisons: each rule of a system held against one machine, so that a near miss can say what differs.

Every rule is compared, the power limit too, and none ends the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import attrs

from mlperf_registry.schema.machine import Accelerator, Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.schema.system_match import AcceleratorMatch, CpuMatch, SystemMatch

T = TypeVar("T")
Verdict = Literal["same", "differs", "unknown"]

WHOLE_GPU = "whole GPU"
"""What stands where a MIG profile could."""
_UNKNOWN = "unknown"
_SIZES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20))
_FLOAT_NOISE = 1e-9


@attrs.frozen
class Comparison:
    """One rule, what the machine shows, and whether they agree."""

    rule: str
    """What is compared, such as "power limit"."""
    wanted: str
    found: str
    """As shown; "unknown" where the machine does not say."""
    verdict: Verdict
    identifies: bool = False
    """Whether a system is recognised only where this is confirmed."""
    processor: bool = False
    """Whether it is one of the rules that another processor breaks together."""

    @property
    def text(self) -> str:
        """Such as "power limit 310 W, want 350 W +-5 %"."""
        return f"{self.rule} {self.found}, want {self.wanted}"


@attrs.frozen
class Model:
    """By what an accelerator is told: its PCI ids where they are stated, else its names."""

    pci_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    name_patterns: tuple[str, ...] = ()
    label: str | None = None
    """The model's own name."""

    @classmethod
    def of(cls, rules: AcceleratorMatch) -> Model:
        """The model that rules describe."""
        return cls(rules.pci_ids, rules.names, rules.name_patterns, rules.gpu)

    def holds(self, accelerator: Accelerator, board: str | None = None) -> bool | None:
        """Whether ``accelerator`` is of this model; None where that cannot be told.

        Args:
            accelerator: what the driver shows.
            board: name of the board, which an integrated GPU is called by as well.
        """
        if self.pci_ids and accelerator.pci_id is not None:
            return accelerator.pci_id in self.pci_ids
        names = _names(accelerator, board)
        if self.names or self.name_patterns:
            return any(_named(name, self.names, self.name_patterns) for name in names)
        if self.pci_ids or self.label is None:
            return None
        return self._is_label_of(names)

    def is_same_as(self, other: Model) -> bool:
        """Whether both describe one model, as far as can be told."""
        if self.pci_ids and other.pci_ids:
            return bool(set(self.pci_ids) & set(other.pci_ids))
        if self.label and other.label:
            return self.label == other.label
        return self._calls(other) or other._calls(self)

    def _calls(self, other: Model) -> bool:
        if self.names or self.name_patterns:
            return any(_named(name, self.names, self.name_patterns) for name in other.names)
        return self._is_label_of(other.names)

    def _is_label_of(self, names: Iterable[str]) -> bool:
        return self.label is not None and any(_words(self.label) <= _words(name) for name in names)


Models = dict[str, Model]
"""NVIDIA's name of a GPU to the model, for rules that give that name alone."""


def models_of(systems: Iterable[System]) -> Models:
    """The models that ``systems`` describe by more than a name."""
    rules = (system.match.accelerator for system in systems)
    return {one.gpu: Model.of(one) for one in rules if one.gpu and (one.pci_ids or one.names or one.name_patterns)}


def compare(machine: Machine, system: System, models: Models) -> tuple[Comparison, ...]:
    """Every rule that ``system`` states against ``machine``, the accelerators first; empty where it states none.

    Args:
        machine: what was detected.
        system: a system whose rules are compared.
        models: what the names of GPUs stand for, by ``models_of``.
    """
    if system.match == SystemMatch():
        return ()
    return (
        *(_accelerators(machine, system, models) if system.accelerator_count else _no_accelerators(machine)),
        *_cpu(machine, system.match.cpu, identifies=not system.accelerator_count),
        *_host(machine, system.match),
    )


def _no_accelerators(machine: Machine) -> Iterator[Comparison]:
    found = len(machine.accelerators)
    yield Comparison("accelerators", "none", str(found) if found else "none", _verdict(not found), identifies=True)


def _accelerators(machine: Machine, system: System, models: Models) -> Iterator[Comparison]:
    rules = system.match.accelerator
    if "gpu" not in system.devices:
        yield _board(machine, rules)
        return
    seen = machine.accelerators
    wanted, count = system.accelerator_count, len(seen)
    yield Comparison("accelerators", str(wanted), str(count), _verdict(count == wanted), identifies=True)
    model = _model(rules, models)
    if model is not None:
        yield _each(
            "GPU",
            _shown_model(system, model),
            [(_shown_accelerator(one), model.holds(one, machine.board)) for one in seen],
            identifies=True,
        )
    yield _each(
        "MIG profile",
        rules.mig_profile or WHOLE_GPU,
        [(one.mig_profile or WHOLE_GPU, one.mig_profile == rules.mig_profile) for one in seen],
        identifies=True,
    )
    if rules.integrated or any(one.integrated for one in seen):
        kinds = {True: "integrated", False: "discrete"}
        yield _each(
            "kind of GPU",
            kinds[rules.integrated],
            [(kinds[one.integrated], one.integrated == rules.integrated) for one in seen],
        )
    if rules.compute_sm is not None:
        yield _each(
            "compute capability",
            shown_capability(rules.compute_sm),
            [_value(one.compute_sm, shown_capability, lambda sm: sm == rules.compute_sm) for one in seen],
        )
    if rules.vram:
        tolerance = rules.vram_tolerance
        yield _each(
            "GPU memory",
            _any_of(map(shown_size, rules.vram)) + _shown_tolerance(tolerance),
            [
                _value(one.vram, shown_size, lambda vram: any(_close(vram, want, tolerance) for want in rules.vram))
                for one in seen
            ],
        )
    limit = rules.power_limit_watts
    if limit is not None:
        tolerance_of_limit = rules.power_limit_tolerance
        yield _each(
            "power limit",
            _shown_watts(limit) + _shown_tolerance(tolerance_of_limit),
            [_value(one.power_limit_watts, _shown_watts, _near(limit, tolerance_of_limit)) for one in seen],
        )


def _board(machine: Machine, rules: AcceleratorMatch) -> Comparison:
    """Accelerators that no driver of ours lists; the name of the machine around them tells their number too."""
    return _one("board", _any_of(rules.names), machine.board, str, lambda name: name in rules.names, identifies=True)


def _cpu(machine: Machine, rules: CpuMatch, *, identifies: bool) -> Iterator[Comparison]:
    cpu = machine.cpu
    if rules.architecture is not None:
        yield _one(
            "architecture",
            rules.architecture,
            cpu.architecture,
            str,
            lambda architecture: architecture == rules.architecture,
            identifies=True,
        )
    if rules.names or rules.name_patterns:
        model = _one(
            "CPU",
            _any_of((*rules.names, *rules.name_patterns)),
            cpu.model,
            str,
            lambda name: _named(name, rules.names, rules.name_patterns),
            identifies=identifies,
        )
        yield attrs.evolve(model, processor=True)
    for name, allowed, found in (
        ("CPU vendor", (rules.vendor,) if rules.vendor else (), cpu.vendor),
        ("sockets", (rules.sockets,) if rules.sockets else (), cpu.sockets),
        ("cores of a socket", rules.cores_per_socket, cpu.cores_per_socket),
        ("threads of a core", rules.threads_per_core, cpu.threads_per_core),
    ):
        if allowed:
            shown = _one(name, _any_of(map(str, allowed)), found, str, allowed.__contains__)
            yield attrs.evolve(shown, processor=True)


def _host(machine: Machine, rules: SystemMatch) -> Iterator[Comparison]:
    least = rules.host_memory
    if least is not None:
        tolerance = rules.host_memory_tolerance
        lowest = least * (1 - tolerance / 100)
        wanted = f"{shown_size(least)} or more" + (f", less {tolerance:g} %" if tolerance else "")
        yield _one("host memory", wanted, machine.memory, shown_size, lambda memory: memory >= lowest)
    if rules.dla_count:
        found = machine.dla_count
        yield Comparison("DLAs", str(rules.dla_count), str(found), _verdict(found == rules.dla_count))


def _model(rules: AcceleratorMatch, models: Models) -> Model | None:
    stated = Model.of(rules)
    if stated.pci_ids or stated.names or stated.name_patterns:
        return stated
    return models.get(rules.gpu, stated) if rules.gpu else None


def _each(rule: str, wanted: str, found: Sequence[tuple[str, bool | None]], *, identifies: bool = False) -> Comparison:
    """What all accelerators must show; the text names those that decide."""
    if not found:
        return Comparison(rule, wanted, "none", "differs", identifies)
    deciding = min(found, key=lambda one: (False, None, True).index(one[1]))[1]
    shown = _any_of((text for text, holds in found if holds is deciding), " and ")
    return Comparison(rule, wanted, shown, _verdict(deciding), identifies)


def _one(
    rule: str,
    wanted: str,
    found: T | None,
    show: Callable[[T], str],
    holds: Callable[[T], bool],
    *,
    identifies: bool = False,
) -> Comparison:
    text, verdict = _value(found, show, holds)
    return Comparison(rule, wanted, text, _verdict(verdict), identifies)


def _value(found: T | None, show: Callable[[T], str], holds: Callable[[T], bool]) -> tuple[str, bool | None]:
    return (_UNKNOWN, None) if found is None else (show(found), holds(found))


def _verdict(holds: bool | None) -> Verdict:
    return "unknown" if holds is None else "same" if holds else "differs"


def _near(wanted: float, tolerance: float) -> Callable[[float], bool]:
    return lambda found: _close(found, wanted, tolerance)


def _close(found: float, wanted: float, tolerance: float) -> bool:
    return abs(found - wanted) <= wanted * (tolerance / 100 + _FLOAT_NOISE)


def _named(name: str, names: Sequence[str], patterns: Sequence[str]) -> bool:
    one_spaced = " ".join(name.split())
    return one_spaced in names or any(re.fullmatch(pattern, one_spaced) for pattern in patterns)


def _names(accelerator: Accelerator, board: str | None) -> tuple[str, ...]:
    """Names that rules may know it by: NVIDIA's lists of MIG slices append the profile."""
    name = accelerator.name
    sliced = (f"{name} MIG-{accelerator.mig_profile}",) if accelerator.mig_profile else ()
    return (name, *sliced, *((board,) if board and accelerator.integrated else ()))


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower()))


def shown_size(size: int) -> str:
    """Bytes as people say them: ``79.6 GiB``."""
    unit, scale = next(((unit, scale) for unit, scale in _SIZES if size >= scale), ("B", 1))
    return f"{size / scale:.4g} {unit}" if size < 1000 * scale else f"{size / scale:.0f} {unit}"


def shown_capability(sm: int) -> str:
    """Compute capability with its point: 90 is ``9.0``."""
    return f"{sm // 10}.{sm % 10}"


def _shown_watts(watts: float) -> str:
    return f"{watts:g} W"


def _shown_tolerance(percent: float) -> str:
    return f" +-{percent:g} %" if percent else ""


def _shown_accelerator(one: Accelerator) -> str:
    return one.name if one.pci_id is None else f"{one.name} (PCI id {one.pci_id})"


def _shown_model(system: System, model: Model) -> str:
    name = system.accelerator or model.label or _any_of(model.names)
    return f"{name} (PCI id {_any_of(model.pci_ids)})" if model.pci_ids else name


def _any_of(texts: Iterable[str], joint: str = " or ") -> str:
    return joint.join(dict.fromkeys(texts))
