"""``mlperf validate``: one configuration against schema and rules, or every cell, and nothing is run."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.list import cell_patterns, judged
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, overrides_of, tell_choices
from mlperf_registry.cli.terminal import say
from mlperf_registry.compose.nearest import nearest
from mlperf_registry.execute.job import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.schema.cell import AXES
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry


def validate(request: Request) -> int:
    """Answer ``mlperf validate``; 2 when anything is wrong."""
    registry = open_registry(request.systems)
    return _validate_all(registry, request) if request.everything else _validate_one(registry, request)


def _validate_one(registry: Registry, request: Request) -> int:
    began = time.perf_counter()
    composed = registry.compose(overrides_of(request, say), quick=True)
    tell_choices(registry, composed, say)
    workload = registry.structure(composed)
    plan = plan_for(workload, Silent())
    state = "tuned" if registry.is_tuned(composed) else "untuned"
    if request.json:
        print_json(
            {
                **_summary(Counter({state: 1}), [], began),
                "cell": str(workload.cell),
                "round": workload.round,
                "rule_breaches": unstructure(plan.breaches),
            }
        )
        return 0
    print(f"{workload.cell} with {workload.backend.name}: well formed, {state}.")
    if plan.breaches:
        print(f"Not kept of the rules of {workload.round}, which mode={workload.mode.name} only warns of:")
        for breach in plan.breaches:
            print(f"  {breach}")
    else:
        print(f"All rules of {workload.round} that can be checked before a run are kept.")
    return 0


def _validate_all(registry: Registry, request: Request) -> int:
    began = time.perf_counter()
    states: Counter[str] = Counter()
    problems: dict[Problem, None] = {}
    for record in registry.cells(**cell_patterns(registry, _filters(request))):
        try:
            states[judged(record)["state"]] += 1
        except ConfigError as error:
            states["wrong"] += 1
            problems.update(dict.fromkeys(error.problems))
    for problem in problems:
        say(str(problem))
    summary = _summary(states, list(problems), began)
    if request.json:
        print_json(summary)
    else:
        shown = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        print(f"{summary['cells']:,} cells in {summary['seconds']:.1f} s: {shown}; {len(problems)} problems")
    return 2 if problems else 0


def _filters(request: Request) -> dict[str, str]:
    filters, problems = {}, []
    for word in request.words:
        key, equals, pattern = word.partition("=")
        if equals and key in AXES:
            filters[key] = pattern
        else:
            problems.append(Problem(word, "--all takes axis=pattern", hint=nearest(key, AXES)))
    if problems:
        raise ConfigError(problems)
    return filters


def _summary(states: Counter[str], problems: list[Problem], began: float) -> dict[str, Any]:
    return {
        "cells": states.total(),
        "by_state": dict(sorted(states.items())),
        "problems": [problem.as_json() for problem in problems],
        "seconds": round(time.perf_counter() - began, 3),
    }
