"""require_sound(): all that is wrong with the file of one system, in one report, whichever part of it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs

from mlperf_registry.cli.cells import judged
from mlperf_registry.cli.systems.trial import on_trial
from mlperf_registry.compose.document import load_yaml
from mlperf_registry.compose.tree import without_nulls
from mlperf_registry.registry import Registry
from mlperf_registry.schema.applicability import is_refusal
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.numa_string import parse
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import System
from mlperf_registry.structure import structure
from mlperf_registry.systems.match import match
from mlperf_registry.systems.numa import misfits


def require_sound(registry: Registry, name: str, machine: Machine) -> None:
    """Check the file of a system, what it builds on, its tuned values, and every cell that it makes.

    Args:
        registry: that has it.
        name: the system.
        machine: whose cores a NUMA string is held against, where the system is that machine.

    Raises:
        ConfigError: with every problem, each once.
    """
    file = _file(registry, name)
    found: dict[Problem, None] = {}

    def look(*looks: Callable[[], object]) -> None:
        for one in looks:
            try:
                one()
            except ConfigError as error:
                found.update(dict.fromkeys(error.problems))

    look(
        lambda: registry.library.options("system"),
        lambda: _identity(file),
        lambda: registry.identities.system(name),
        lambda: registry.library.tuned.derivations(name),
    )
    if not found:
        look(lambda: _values(registry, name, machine))
    elif (plain := _without_identity(file)) is not None:
        look(lambda: _values_of(registry, file, plain, machine))
    look(lambda: _tuned(registry, name))
    if found:
        raise ConfigError(found)


def _identity(file: Path) -> None:
    """What is wrong with the section alone, whatever else is."""
    document = load_yaml(file, _shown(file))
    section = document.tree.get("system")
    if document.defaults is None and isinstance(section, dict) and "${" not in repr(section):

        def origin(path: tuple[str, ...]) -> tuple[str, int | None]:
            return document.origin, document.lines.get(("system", *path))

        try:
            structure(System, without_nulls(section), origin=origin, owned=False)
        except ConfigError as error:
            raise ConfigError(attrs.evolve(one, path=f"system.{one.path}") for one in error.problems) from error


def _without_identity(file: Path) -> str | None:
    """The file with nothing but a name in its section ``system``, each line where it was; None where that is not clear.

    With it, the rest of a file can be checked although who it is for is wrong.
    """
    try:
        lines = load_yaml(file).lines
    except ConfigError:
        return None
    tops = sorted(line for path, line in lines.items() if len(path) == 1)
    if ("system",) not in lines or len(set(tops)) < len(tops):
        return None
    written = file.read_text(encoding="utf-8").splitlines()
    first = lines[("system",)]
    after = next((line for line in tops if line > first), len(written) + 1)
    plain = f"system: {{id: {file.stem}, devices: [gpu, cpu]}}"
    return "\n".join([*written[: first - 1], plain, *[""] * (after - first - 1), *written[after - 1 :]]) + "\n"


def _values_of(registry: Registry, file: Path, text: str, machine: Machine) -> None:
    with on_trial(registry, Path(_shown(file)), text) as trial:
        _values(trial, file.stem, machine)


def _tuned(registry: Registry, name: str) -> None:
    problems = registry.library.misnamed(name)
    for cell in registry.library.tuned.cells_of(name):
        try:
            registry.library.tuned.file(cell)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)


def _values(registry: Registry, name: str, machine: Machine) -> None:
    """What the file says besides who the system is, and what its cells hold.

    What it says holds for all cells, and is right where one of them can use it.
    """
    file = _shown(_file(registry, name))
    found: dict[Problem, None] = {}
    cells = 0
    refusals: Counter[int | None] = Counter()
    strings = set()
    for record in registry.cells(system=name):
        if record.state == "meaningless":
            continue
        cells += 1
        try:
            judged(record)
            strings.add(record.workload().runtime.numa_config)
        except ConfigError as error:
            found.update(dict.fromkeys(error.problems))
            refusals.update({problem.line for problem in error.problems if problem.origin == file})
    # Where a value is wrong in the cells that can use it, it does not matter which cells cannot.
    misjudged = {(one.path, one.line) for one in found if not is_refusal(one.message)}
    wrong = [
        one
        for one in found
        if one.origin != file
        or (refusals[one.line] == cells and not (is_refusal(one.message) and (one.path, one.line) in misjudged))
    ]
    if match(machine, [registry.identities.system(name)]).best is not None:
        for string in strings - {None, ""}:
            for message in misfits(parse(str(string)), machine):
                hint = "`mlperf systems detect` shows this machine's own"
                wrong.append(Problem("runtime.numa_config", message, hint=hint))
    if wrong:
        raise ConfigError(wrong)


def _file(registry: Registry, name: str) -> Path:
    return next(path for root in registry.library.roots.systems if (path := root / f"{name}.yaml").is_file())


def _shown(file: Path) -> str:
    """As the registry names it."""
    here = Path.cwd()
    return (file.relative_to(here) if file.is_relative_to(here) else file).as_posix()
