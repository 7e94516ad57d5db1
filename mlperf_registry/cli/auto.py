"""system=auto: which system the machine is that a job runs on, or what is derived for it; found out before composing.

Composing never looks at a machine: it is handed the name of a system, and where that is new, a file that defines it.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from mlperf_registry import plugins
from mlperf_registry.atomic import write_text
from mlperf_registry.cli.auto_words import asks_for_auto, with_system
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.system_name import name_problem
from mlperf_registry.execute.room import not_written
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.sections import System
from mlperf_registry.systems.comparison import compare, models_of
from mlperf_registry.systems.derive import derive, unregistered_id
from mlperf_registry.systems.match import Candidate, Matching, match
from mlperf_registry.systems.relative import Relative, relative
from mlperf_registry.systems.stub import yaml_of

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry

Tell = Callable[[str], None]

GENERIC = "generic_cpu"
"""What a machine without an accelerator is that no known system matches."""
NAME_VARIABLE = "SYSTEM_NAME"
"""Names the system that ``auto`` stands for, as with NVIDIA's code."""

_DERIVED = "derived"
_DIGITS = 12


@attrs.frozen
class Found:
    """What ``auto`` stands for on a machine."""

    system: System
    why: str
    derived: bool
    """Whether no file says yet what it is."""

    @property
    def text(self) -> str:
        """The line that tells it."""
        return f"system={self.system.id}: {self.why}"


class Here:
    """The machine that commands run on, as they need it to compose. It is looked at once, and only if they need it."""

    def __init__(self, registry: Registry, build_dir: Path) -> None:
        """Nothing is looked at yet.

        Args:
            registry: with every system that the machine may be.
            build_dir: where the file of a derived system is put.
        """
        self._given = registry
        self._build_dir = build_dir
        self._told = False

    def settle(self, words: Sequence[str], tell: Tell) -> tuple[Registry, tuple[str, ...]]:
        """Overrides that name a system, and the registry that has it; told the first time.

        Args:
            words: overrides with ``system=auto``, with another system, or with none, which means auto.
            tell: is given a line that says what was chosen and why.

        Raises:
            ConfigError: when $SYSTEM_NAME, $MLPERF_MACHINE or the file of a system is wrong.
            NotReady: when the file of a derived system cannot be written.
        """
        if not asks_for_auto(words):
            return self._given, tuple(words)
        if not self._told:
            tell(self.found.text)
            self._told = True
        named = with_system(words, self.found.system.id)
        return self._registry, (*named, *self._library_that_is_here(named, tell))

    @cached_property
    def found(self) -> Found:
        """What ``auto`` stands for; errors as for ``settle``."""
        return find_system(self._given, machine_here())

    @cached_property
    def _registry(self) -> Registry:
        return with_derived(self._given, self.found.system, self._build_dir) if self.found.derived else self._given

    def _library_that_is_here(self, words: Sequence[str], tell: Tell) -> tuple[str, ...]:
        """For a mini benchmark, which is there for a first look, an engine library that can run."""
        if "gpu" not in self.found.system.devices:
            return ()
        try:
            composed = self._registry.compose(words, quick=True)
            benchmark = self._registry.identities.benchmark(composed.choices["benchmark"] or "")
        except ConfigError:
            return ()  # told by whoever composes it next
        chosen = next((one.option for one in composed.chosen if one.key == "backend"), None)
        if chosen is None or not benchmark.mini or _can_run(chosen):
            return ()
        for name in benchmark.backends:
            if self._registry.identities.backend(name).device in self.found.system.devices and _can_run(name):
                tell(f"backend={name}: {chosen} cannot run here (mlperf list backends), and a mini needs no other")
                return (f"backend={name}",)
        return ()


def find_system(registry: Registry, machine: Machine, name: str | None = None) -> Found:
    """What ``auto`` stands for on ``machine``.

    Args:
        registry: with every system that it may be.
        machine: what was detected.
        name: its name; by default what $SYSTEM_NAME says, if anything.

    Raises:
        ConfigError: when the name can be none, or the file of a system is wrong.
    """
    name = name or os.environ.get(NAME_VARIABLE) or None
    systems = known_systems(registry)
    if name is not None:
        known = registry.identities.aliases("system").get(name.lower())
        if known is not None:
            system = registry.identities.system(known)
            return Found(system, f"${NAME_VARIABLE} says so{_differing(registry, machine, system)}", derived=False)
        problem = name_problem(name, f"${NAME_VARIABLE}")
        if problem is not None:
            raise ConfigError([problem])
    matching = match(machine, systems, own=registry.library.own_systems)
    best = matching.best
    if best is not None and name is None:
        return Found(best, _why_matched(machine, matching), derived=False)
    kin = best or kin_of(registry, machine, systems)
    if kin is None and name is None:
        why = "no accelerator is seen here (mlperf systems detect), and no known system has this processor"
        return Found(registry.identities.system(GENERIC), why, derived=False)
    option = name or unregistered_id(machine)
    if option in registry.library.options("system"):
        system = registry.identities.system(option)
        why = f"there is a file of the name for what is unknown{_differing(registry, machine, system)}"
        return Found(system, why, derived=False)
    system = derive(machine, kin, name)
    return Found(system, _why_derived(system, kin, matching, named=name is not None), derived=True)


def compared(registry: Registry, machine: Machine, system: System) -> Candidate:
    """A system's rules held against a machine."""
    return Candidate(system, compare(machine, system, models_of(known_systems(registry))))


def known_systems(registry: Registry) -> list[System]:
    """Every system that a machine may be.

    Raises:
        ConfigError: with what is wrong in the file of any: the machine might be just that one.
    """
    found: list[System] = []
    problems: list[Problem] = []
    for option in registry.library.options("system"):
        try:
            found.append(registry.identities.system(option))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return found


def kin_of(registry: Registry, machine: Machine, systems: Sequence[System]) -> Relative | None:
    """The known system most like the machine, such with tuned values first."""
    return relative(machine, systems, {cell.system for cell in registry.library.tuned.cells})


def with_derived(registry: Registry, system: System, build_dir: Path) -> Registry:
    """A registry that has a derived system besides, from a file below ``build_dir``.

    Where nothing can be written there, the file lies in a folder that goes with this process: a question needs no more,
    and what does says so itself.

    Raises:
        NotReady: when the file cannot be written there either.
    """
    text = yaml_of(system, comments=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    name = f"{system.id}.yaml"
    root = place = (build_dir / _DERIVED / digest).resolve()
    try:
        _put(place / name, text)
    except OSError as error:
        try:
            root = Path(tempfile.mkdtemp(prefix="mlperf-")).resolve()
            atexit.register(shutil.rmtree, root, ignore_errors=True)
            _put(root / name, text)
        except OSError:
            raise not_written(place / name, error) from error
    roots = registry.library.roots
    return type(registry)(attrs.evolve(roots, systems=(*roots.systems, root)))


def _put(file: Path, text: str) -> None:
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, text)


def derived_file(registry: Registry, system: str, build_dir: Path) -> Path | None:
    """The file of a derived system; None for any other."""
    home = (build_dir / _DERIVED).resolve()
    files = (root / f"{system}.yaml" for root in registry.library.roots.systems if root.parent == home)
    return next(filter(Path.is_file, files), None)


def _can_run(backend: str) -> bool:
    try:
        plugins.require(plugins.backend(backend))
    except (NotReady, ConfigError):
        return False
    return True


def _why_matched(machine: Machine, matching: Matching) -> str:
    best = matching.candidates[0]
    unknown = [one.rule for one in best.comparisons if one.verdict == "unknown"]
    why = f"{_seen(machine)}, and all of its {len(best.comparisons)} rules hold"
    if unknown:
        why = f"{_seen(machine)}, and all of its rules hold that can be checked (unknown: {', '.join(unknown)})"
    if best.system.status == "deprecated":
        why += "; deprecated: NVIDIA no longer supports it"
    if matching.tied:
        why += f"; so do those of {', '.join(one.id for one in matching.tied)}: choose with system=..."
    return why


def _seen(machine: Machine) -> str:
    """The accelerators, else the processor."""
    profiles = Counter(f"{one.name}{f' {one.mig_profile}' if one.mig_profile else ''}" for one in machine.accelerators)
    counted = [f"{count} x {name}" for name, count in profiles.items()]
    return f"this machine has {' and '.join(counted) or machine.cpu.model or 'no accelerator'}"


def _why_derived(system: System, kin: Relative | System | None, matching: Matching, *, named: bool) -> str:
    said = f"${NAME_VARIABLE} says so" if named else "unknown"
    if kin is None:
        return f"{said}; it takes over no tuned values"
    base = system.base
    factors = (("rates", base.rate_factor), ("sizes", base.size_factor)) if base else ()
    scaled = ", ".join(f"{name} x{factor:g}" for name, factor in factors if factor != 1)
    source = kin if isinstance(kin, System) else kin.system
    why = f"{said}, derived from {source.id}" + (f" ({scaled})" if scaled else "")
    if isinstance(kin, System):
        return f"{why}, which this machine matches"
    near = next((one for one in matching.candidates if one.text), None)
    if near is None:
        return f"{why}: {', '.join(kin.reasons)}"
    return f"{why}; nearest known: {near.system.id}, which differs in: {near.text}"


def _differing(registry: Registry, machine: Machine, system: System) -> str:
    text = compared(registry, machine, system).text
    return f"; this machine differs in: {text}" if text else ""
