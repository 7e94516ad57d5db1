"""``mlperf systems new NAME``: this machine as a file of systems/, on the tuned values of its nearest relative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.atomic import write_text
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import kin_of, known_systems
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry
from mlperf_registry.cli.system_name import name_problem
from mlperf_registry.cli.systems.soundness import require_sound
from mlperf_registry.cli.systems.trial import on_trial
from mlperf_registry.cli.systems.words import one_word, system_option
from mlperf_registry.cli.terminal import say
from mlperf_registry.compose.tuned import age
from mlperf_registry.registry import Registry
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.sections import System
from mlperf_registry.submission.description import draft
from mlperf_registry.systems.derive import derive
from mlperf_registry.systems.match import match
from mlperf_registry.systems.numa import own_string
from mlperf_registry.systems.stub import TunedExample, yaml_of

_FOLDER = Path("systems")
"""Where commands look for the user's systems by themselves."""


def new(request: Request) -> int:
    """Answer ``mlperf systems new NAME``."""
    name = one_word(request)
    wrong = name_problem(name, "NAME")
    if wrong is not None:
        raise ConfigError([wrong])
    registry = open_registry(request.systems)
    place = (request.systems[0] if request.systems else _FOLDER) / f"{name}.yaml"
    shipped = _require_free(registry, name, place, force=request.force)
    machine = machine_here(request.machine)
    system = _system(registry, machine, name, request.kin, shipped=shipped)
    with on_trial(registry, place, yaml_of(system)) as trial:
        text = yaml_of(
            system, example=_example(trial, name), numa=own_string(machine), unstated=_unstated(system, machine)
        )
    with on_trial(registry, place, text) as trial:
        require_sound(trial, name, machine)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
    except OSError as error:
        raise NotReady(f"{place} cannot be written: {error.strerror}. Choose another folder with --systems.") from error
    base = None if system.base is None else system.base.system
    if request.json:
        print_json({"file": str(place), "system": name, "base": base, "replaces_shipped": shipped})
    else:
        print(place)
    elsewhere = f" --systems {place.parent}" if request.systems else ""
    say(f"Look it over, then: mlperf systems check {place}; mlperf run system={name}{elsewhere}")
    return 0


def _require_free(registry: Registry, name: str, place: Path, *, force: bool) -> bool:
    """Check that the name may be taken; returns whether a shipped system has it."""
    problems = []
    theirs = (root / f"{name}.yaml" for root in registry.library.roots.systems)
    elsewhere = [path for path in theirs if path.is_file() and path != place.resolve()]
    shipped = name in registry.library.options("system") and name not in registry.library.own_systems
    shipped = shipped or registry.library.replaced(name) is not None
    twins = [one for one in registry.library.options("system") if one.lower() == name.lower() and one != name]
    if twins:
        problems.append(Problem("NAME", f"{name} differs from {twins[0]} only in the case of its letters"))
    if elsewhere:
        problems.append(Problem("NAME", f"{name} is there already, in {elsewhere[0]}", hint="choose another name"))
    if place.exists() and not force:
        problems.append(Problem(str(place), "is there already, and stays as it is", hint="--force overwrites it"))
    elif shipped and not force:
        hint = "choose another name, or put yours in its place with --force"
        problems.append(Problem("NAME", f"{name} is a system that is shipped", hint=hint))
    if problems:
        raise ConfigError(problems)
    return shipped


def _system(registry: Registry, machine: Machine, name: str, asked: str | None, *, shipped: bool) -> System:
    if not shipped or asked is not None:
        return attrs.evolve(derive(machine, _kin(registry, machine, asked), name), replaces_shipped=shipped)
    say(f"{name} keeps the tuned values of the shipped system whose place it takes.")
    return attrs.evolve(derive(machine, registry.identities.system(name), name), base=None, replaces_shipped=True)


def _kin(registry: Registry, machine: Machine, asked: str | None) -> System | None:
    """Whose tuned values it takes over: who was asked for, which shipped system it is already, or is most like."""
    if asked is not None:
        return registry.identities.system(system_option(registry, asked, "--from"))
    own = registry.library.own_systems
    systems = [system for system in known_systems(registry) if system.id not in own]
    best = match(machine, systems).best
    if best is not None:
        say(f"This machine is known: system={best.id} needs no file. Its tuned values are taken over.")
        return best
    kin = kin_of(registry, machine, systems)
    if kin is None:
        say("No known system has an accelerator like this machine's: no tuned values are taken over.")
        return None
    say(f"Tuned values are taken over from {kin.system.id}: {'; '.join(kin.reasons)}.")
    return kin.system


def _unstated(system: System, machine: Machine) -> list[str]:
    """Fields of its submission that the user has to state."""
    return [problem.path.rpartition(".")[2] for problem in draft(system, machine).problems]


def _example(registry: Registry, name: str) -> TunedExample | None:
    """What the system takes over for one cell, as a file of its own would say it; resnet50's where it has that."""
    tuned = registry.library.tuned
    cells = tuned.inherited_cells_of(name)
    if not cells:
        return None
    cell = max(cells, key=lambda one: (one.benchmark == "resnet50", one.scenario == "offline", age(one.tuned_round)))
    file = tuned.file(tuned.source(cell))
    if file is None:
        return None
    tree = tuned.merged(f"{cell}/k_99+native+maxp+{file.backends[0]}")
    if tree is None:
        return None
    values = {"backends": list(file.backends), **_plain(tree)}
    return TunedExample(cell.tuned_round, cell.benchmark, cell.scenario, values)


def _plain(node: Any) -> Any:
    return {key: _plain(item) for key, item in node.items()} if isinstance(node, dict) else node.value
