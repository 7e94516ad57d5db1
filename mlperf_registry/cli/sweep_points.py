"""The points of a sweep before it runs: Hydra's sweep syntax expanded, and all problems of all points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from mlperf_registry.cli.auto import Here
from mlperf_registry.cli.auto_words import asks_for_auto
from mlperf_registry.compose.override import Override, parse_override
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.schema.problem import ConfigError, Problem

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry

Overrides = tuple[str, ...]


def expand(registry: Registry, words: Sequence[str]) -> list[Overrides] | None:
    """Overrides of each job that Hydra's basic sweeper will make of ``words``; None where another sweeper decides.

    Raises:
        ConfigError: for words that are no overrides, for sweeps over intervals, which need another sweeper, and for
            sweeps over nothing.
    """
    parsed = _parsed(words)
    if any(_chooses_sweeper(override) for override in parsed):
        return None
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    mine = [_without_glob(registry, override.text) for override in parsed if not override.for_hydra]
    try:
        (jobs,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(mine), None)
    except HydraException as error:
        raise ConfigError(
            [Problem("-m", str(error), hint="choose a sweeper that can, with hydra/sweeper=...")]
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError([Problem("-m", f"the points of this sweep cannot be told: {error}")]) from error
    if not jobs:
        empty = ", ".join(override.text for override in parsed if override.sweep)
        raise ConfigError([Problem("-m", f"a sweep without points: {empty} has no values")])
    return [tuple(job) for job in jobs]


def check(registry: Registry, points: Sequence[Overrides], build_dir: Path, *, runs: bool, elsewhere: bool) -> int:
    """Compose, structure and plan every point; returns how many cannot be yet.

    Args:
        registry: what is composed from.
        points: overrides of each.
        build_dir: folder of engines and logs, and of derived systems.
        elsewhere: whether jobs may run on another machine: what ``system=auto`` is there, only they can tell.
        runs: whether their jobs run LoadGen, for which a submission must state its rate.

    Raises:
        ConfigError: with every problem of every point, each once.
    """
    found: dict[Problem, list[Overrides]] = {}
    here = Here(registry, build_dir)
    checked = [overrides for overrides in points if not (elsewhere and asks_for_auto(overrides))]
    for overrides in checked:
        try:
            settled, words = here.settle(overrides, Silent().note)
            workload = settled.structure(settled.compose(words, quick=True))
            plan_for(workload, Silent(), runs=runs)
        except ConfigError as error:
            for problem in error.problems:
                found.setdefault(problem, []).append(overrides)
    if found:
        raise ConfigError(_placed(problem, at, len(points)) for problem, at in found.items())
    return len(points) - len(checked)


def _parsed(words: Sequence[str]) -> list[Override]:
    parsed: list[Override] = []
    problems: list[Problem] = []
    for word in words:
        try:
            parsed.append(parse_override(word))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return parsed


def _chooses_sweeper(override: Override) -> bool:
    if override.key == "hydra/sweeper":
        return bool(override.value != "basic")
    return override.key.startswith("hydra.sweeper.params")


def _without_glob(registry: Registry, word: str) -> str:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Glob

    if "glob" not in word:
        return word
    override: Any = OverridesParser.create().parse_override(word)
    glob = override.value()
    if not isinstance(glob, Glob):
        return word
    options = glob.filter(list(registry.library.options(override.key_or_group)))
    if not options:
        hint = f"known: {', '.join(registry.library.options(override.key_or_group))}"
        raise ConfigError([Problem(override.key_or_group, f"{word} matches no option", f"override:{word}", hint=hint)])
    return f"{override.get_key_element()}={','.join(options)}"


def _placed(problem: Problem, at: Sequence[Overrides], points: int) -> Problem:
    """A problem that only some points have names the first of them, unless it says its place already."""
    if problem.origin is not None or len(at) == points:
        return problem
    return attrs.evolve(problem, origin=f"point {' '.join(at[0])}")
