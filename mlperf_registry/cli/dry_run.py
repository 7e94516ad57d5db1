"""``--dry-run``: the points that would run, whether the rules allow them, and which engines are there already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import Here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import tell_choices
from mlperf_registry.cli.table import table
from mlperf_registry.cli.terminal import say
from mlperf_registry.execute.engine import cached
from mlperf_registry.execute.engine_cache import engine_folder, find_engine
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.execute.readiness import require_ready
from mlperf_registry.execute.recipe import make_recipe
from mlperf_registry.execute.scratch import scratch
from mlperf_registry.rules.rulebook import OFFLINE_SAMPLES
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry


def dry_run(registry: Registry, points: Sequence[Sequence[str]], request: Request, *, runs: bool = True) -> int:
    """Print the table of ``points`` (overrides of each); 3 when one of them could not run as things are, else 0.

    Args:
        registry: what is composed from.
        points: overrides of each point.
        request: the command line.
        runs: whether LoadGen would run: then data must be there, and a submission must state its rate.

    Raises:
        ConfigError: with the problems of every point.
    """
    rows = []
    problems: dict[Problem, None] = {}
    here = Here(registry, request.build_dir)
    for overrides in points:
        try:
            rows.append(_row(here, overrides, request, alone=len(points) == 1, runs=runs))
        except ConfigError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise ConfigError(problems)
    code = 0 if all(row["engine"]["ready"] for row in rows) else NotReady.exit_code
    if request.json:
        print_json(rows)
        return code
    print(
        table(
            ("#", "cell", "backend", "mode", "rules", "engine"),
            [
                (str(number), row["cell"], row["backend"], row["mode"], _rules(row), _shown(row["engine"]))
                for number, row in enumerate(rows, 1)
            ],
            right=("#",),
        )
    )
    lacks: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        if not row["engine"]["ready"]:
            lacks.setdefault(row["engine"]["why"], []).append(str(number))
    for lack, numbers in lacks.items():
        print(f"\n{', '.join(numbers)} not ready:\n{lack}")
    if any(row["rule_breaches"] for row in rows):
        say("What the rules say of a point: mlperf validate with its overrides.")
    return code


def _row(here: Here, overrides: Sequence[str], request: Request, *, alone: bool, runs: bool) -> dict[str, Any]:
    registry, words = here.settle(overrides, say)
    composed = registry.compose(words, quick=True)
    if alone:
        tell_choices(registry, composed, say)
    workload = registry.structure(composed)
    plan = plan_for(workload, Silent(), runs=runs)
    return {
        "overrides": list(overrides),
        "cell": str(workload.cell),
        "backend": workload.backend.name,
        "mode": workload.mode.name,
        "round": workload.round,
        "tuned_round": workload.tuned_round,
        "rule_breaches": unstructure(plan.breaches),
        "engine": _engine(registry, workload, request.build_dir, runs=runs, builds=request.verb.name != "harness"),
    }


def _engine(registry: Registry, workload: Workload, build_dir: Path, *, runs: bool, builds: bool) -> dict[str, Any]:
    found: Engine | str
    try:
        if runs:
            require_ready(workload, registry.deviceless(workload))
        if builds:
            folder = engine_folder(build_dir, workload.system.id, workload.benchmark.id)
            found = find_engine(folder, make_recipe(workload, scratch()))
        else:
            found = cached(workload, build_dir)
    except NotReady as error:
        return {"key": None, "cached": False, "ready": False, "why": str(error)}
    if isinstance(found, Engine):
        return {"key": found.key, "cached": True, "ready": True, "why": f"cached, {found.key}"}
    return {"key": None, "cached": False, "ready": True, "why": f"would be built: {found}"}


def _shown(engine: dict[str, Any]) -> str:
    # What is missing takes sentences, which no column holds.
    return str(engine["why"]) if engine["ready"] else "not ready, see below"


def _rules(row: dict[str, Any]) -> str:
    judged_by_run = sum(breach["rule"] == OFFLINE_SAMPLES for breach in row["rule_breaches"])
    count = len(row["rule_breaches"]) - judged_by_run
    parts = [f"{count} not kept"] * bool(count) + [f"{judged_by_run} judged by the run"] * bool(judged_by_run)
    return f"{row['round']}: {', '.join(parts) or 'kept'}"
