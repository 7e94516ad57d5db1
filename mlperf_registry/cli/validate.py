"""``mlperf validate``: one configuration, every file and cell, or conf/ against what was published; nothing is run."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.cells import cell_patterns, judged_or_wrong
from mlperf_registry.cli.explain import value_text
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, settled, tell_choices, tell_faults
from mlperf_registry.cli.table import table
from mlperf_registry.cli.terminal import say
from mlperf_registry.cli.wrong_files import wrong_files
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.published.check import FieldDifference, check
from mlperf_registry.schema.cell import AXES
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry


def validate(request: Request) -> int:
    """Answer ``mlperf validate``; 2 when anything is wrong, 1 when something is not as published."""
    if request.everything and request.published is not None:
        raise ConfigError([Problem("--published", "cannot be asked together with --all", hint="leave one of them out")])
    if request.published is not None and request.words:
        raise ConfigError(
            Problem(word, "--published checks every configuration of its file", hint="leave it out")
            for word in request.words
        )
    if request.published is not None:
        return _validate_published(open_registry(request.systems), request.published, as_json=request.json)
    return _validate_all(open_registry(request.systems), request) if request.everything else _validate_one(request)


def _validate_one(request: Request) -> int:
    began = time.perf_counter()
    registry, overrides = settled(request, say)
    composed = registry.compose(overrides, quick=True)
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


def _validate_published(registry: Registry, file: Path, *, as_json: bool) -> int:
    checked = check(file, registry)
    code = 0 if checked.matched == checked.total else 1
    if as_json:
        print_json(checked.as_json())
        return code
    print(
        f"{checked.total:,} published configurations: {checked.matched:,} matched, {checked.missing:,} missing, "
        f"{len(checked.differing):,} differing"
    )
    for name in checked.missing_cells:
        print(f"missing: {name}")
    for one in checked.differing:
        print(f"differs: {one.cell} [{file}:{one.line}]")
        for problem in one.problems:
            print(f"  {problem}")
        for field in one.fields:
            print(f"  {_difference(field)}")
    if checked.left_out:
        counts = ", ".join(f"{name} ({count:,})" for name, count in checked.left_out.items())
        say(f"Not compared, since they are absolute paths on NVIDIA's machines: {counts}")
    return code


def _difference(field: FieldDifference) -> str:
    place = "" if field.origin is None else f" [{field.origin}{'' if field.line is None else f':{field.line}'}]"
    shown = field.name if field.path is None else f"{field.path} ({field.name})"
    return f"{shown}: published {value_text(field.published, None)}, here {value_text(field.ours, None)}{place}"


def _validate_all(registry: Registry, request: Request) -> int:
    began = time.perf_counter()
    patterns = cell_patterns(registry, _filters(request))
    states: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    tell_faults(say)
    problems = dict.fromkeys(wrong_files(registry))
    try:
        for record in registry.cells(**patterns):
            row = judged_or_wrong(record, problems)
            states[row["state"]] += 1
            if row["rule"] is not None:
                rules[row["rule"]] += 1
    except ConfigError as error:  # the axes themselves cannot be told
        problems.update(dict.fromkeys(error.problems))
    summary = _summary(states, list(problems), began)
    for problem in problems:
        say(str(problem))
    if request.json:
        print_json({**summary, "by_rule": dict(sorted(rules.items()))})
        return 2 if problems else 0
    print(f"{summary['cells']:,} cells in {summary['seconds']:.1f} s, {len(problems)} problems")
    for counted in (states, rules):
        print()
        head = "state" if counted is states else "forbidden by rule"
        rows = [(name, f"{count:,}") for name, count in sorted(counted.items())]
        print(table((head, "cells"), rows, right=("cells",)))
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
