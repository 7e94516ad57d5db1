"""``mlperf systems check FILE``: every problem of a system's file in one report, wherever the file lies."""

from __future__ import annotations

from pathlib import Path

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import compared
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry
from mlperf_registry.cli.system_name import name_problem
from mlperf_registry.cli.systems.soundness import require_sound
from mlperf_registry.cli.systems.trial import on_trial
from mlperf_registry.cli.systems.words import one_word
from mlperf_registry.registry import Registry
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.problem import ConfigError, Problem


def check(request: Request) -> int:
    """Answer ``mlperf systems check FILE``."""
    path = Path(one_word(request))
    text = _text_of(path)
    registry = open_registry(request.systems)
    machine = machine_here(request.machine)
    if path.parent.resolve() in registry.library.roots.systems:
        return _answer(registry, path, machine, as_json=request.json)
    with on_trial(registry, path, text) as trial:
        return _answer(trial, path, machine, as_json=request.json)


def _text_of(path: Path) -> str:
    problems = []
    text = ""
    named = name_problem(path.stem, str(path))
    if path.suffix != ".yaml":
        hint = f"rename it to {path.stem}.yaml" if named is None else None
        problems.append(Problem(str(path), "a system's file is called <its id>.yaml", hint=hint))
    if named is not None:
        problems.append(named)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        problems.append(Problem(str(path), f"cannot be read: {reason}", hint="name the file of a system"))
    if problems:
        raise ConfigError(problems)
    return text


def _answer(registry: Registry, path: Path, machine: Machine, *, as_json: bool) -> int:
    require_sound(registry, path.stem, machine)
    system = registry.identities.system(path.stem)
    held = compared(registry, machine, system)
    if as_json:
        print_json({"system": system.id, "matches": held.matches, "differs_in": held.text, "problems": []})
        return 0
    print(f"{path}: well formed.")
    if not held.comparisons:
        print("It states no rules: no machine is recognised as it, and system=... chooses it.")
    elif held.text:
        print(f"This machine is not {system.id}: {held.text}")
    else:
        print(f"This machine keeps all of its rules: commands without system= take {system.id}, or one that says more.")
    return 0
