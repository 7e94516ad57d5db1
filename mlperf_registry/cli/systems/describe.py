"""``mlperf systems describe [NAME]``: the system description of a submission, and all that it still lacks."""

from __future__ import annotations

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import compared, find_system
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry
from mlperf_registry.cli.systems.words import one_word, system_option
from mlperf_registry.cli.terminal import say
from mlperf_registry.registry import Registry
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.schema.sections import System
from mlperf_registry.submission.description import draft, to_json


def describe(request: Request) -> int:
    """Answer ``mlperf systems describe [NAME]``; 2 when it cannot be handed in as it is."""
    registry = open_registry(request.systems)
    machine = machine_here(request.machine)
    if request.words:
        system = registry.identities.system(system_option(registry, one_word(request), "NAME"))
        made = draft(system, _of_system(registry, system, machine))
    else:
        found = find_system(registry, machine)
        say(found.text)
        system = found.system
        made = draft(system, machine)
    if request.json:
        print_json(
            {
                "system": system.id,
                "description": dict(made.values),
                "sources": dict(made.sources),
                "problems": [problem.as_json() for problem in made.problems],
            }
        )
        return 2 if made.problems else 0
    if made.problems:
        own = system.id in registry.library.own_systems
        cure = "State what is missing in its file" if own else "`mlperf systems new NAME` makes a file; state there"
        say(f"{system.id} is not described yet. {cure}, under system.submission:")
        raise ConfigError(made.problems)
    print(to_json(made), end="")
    return 0


def _of_system(registry: Registry, system: System, machine: Machine) -> Machine | None:
    """The machine where it may be described as the system; None where its accelerators are others."""
    unlike = [
        one for one in compared(registry, machine, system).comparisons if one.identifies and one.verdict == "differs"
    ]
    if not unlike:
        return machine
    differences = "; ".join(one.text for one in unlike)
    say(f"Nothing detected is filled in, since this machine is not {system.id}: {differences}")
    return None
