"""``mlperf diff``: what sets two configurations apart, and for two runs also how far their figures differ."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import Here
from mlperf_registry.cli.explain import value_text
from mlperf_registry.cli.report import find_run, is_there, read_run
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, overrides_of
from mlperf_registry.cli.table import table
from mlperf_registry.cli.terminal import say
from mlperf_registry.execute.result import read_result
from mlperf_registry.report.numbers import precise
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.result import RunResult
from mlperf_registry.schema.workload import Workload


@attrs.frozen
class _Side:
    workload: Workload
    result: RunResult | None


def diff(request: Request) -> int:
    """Answer ``mlperf diff A B``."""
    if len(request.words) != 2:
        raise ConfigError(
            [Problem("diff", "needs two things to compare", hint='mlperf diff "system=L4x1" build/logs/RUN')]
        )
    registry = open_registry(request.systems)
    here = Here(registry, request.build_dir)
    left, right = (_side(here, request, text) for text in request.words)
    differences = registry.diff(left.workload, right.workload)
    metrics = [] if left.result is None or right.result is None else _metrics(left.result, right.result)
    if request.json:
        print_json({"differences": [attrs.asdict(one) for one in differences], "metrics": metrics})
        return 0
    if differences:
        rows = [(one.path, value_text(one.left, None), value_text(one.right, None)) for one in differences]
        print(table(("field", "A", "B"), rows))
    else:
        print("The configurations are equal.")
    if metrics:
        print()
        figures = [
            (row["name"], row["unit"], *map(precise, (row["left"], row["right"])), _percent(row)) for row in metrics
        ]
        print(table(("metric", "unit", "A", "B", "B to A"), figures, right=("A", "B", "B to A")))
    return 0


def _side(here: Here, request: Request, text: str) -> _Side:
    path = Path(text)
    if text and is_there(path):
        home = find_run(path)
        run = read_run(home)
        if run is None:
            raise NotReady(f"{home} has no run.json that this version reads: its configuration is not known.")
        return _Side(run.workload, read_result(home))
    if text and "=" not in text and not text.startswith("~"):
        raise ConfigError(
            [Problem(text, "this is neither a run's folder nor overrides", hint="write group=option in quotes")]
        )
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError([Problem(text, f"the quotes in it do not match: {error}")]) from error
    registry, overrides = here.settle(overrides_of(attrs.evolve(request, words=words)), say)
    return _Side(registry.structure(registry.compose(overrides)), None)


def _metrics(left: RunResult, right: RunResult) -> list[dict[str, Any]]:
    """Figures that both have: metrics, latency percentiles and accuracy."""
    first, second = _figures(left), _figures(right)
    return [
        {
            "name": name,
            "unit": unit,
            "left": first[name, unit],
            "right": second[name, unit],
            "percent": _change(first[name, unit], second[name, unit]),
        }
        for name, unit in first
        if (name, unit) in second
    ]


def _figures(result: RunResult) -> dict[tuple[str, str], float]:
    figures = {(metric.name, metric.unit): float(metric.value) for metric in result.metrics}
    figures.update({(f"latency {key}", "ns"): value for key, value in (result.latency or {}).items()})
    if result.accuracy is not None:
        figures["accuracy", result.accuracy.metric] = result.accuracy.value
    return figures


def _change(left: float, right: float) -> float | None:
    return None if left == 0 else round((right / left - 1) * 100, 3)


def _percent(row: dict[str, Any]) -> str:
    return "" if row["percent"] is None else f"{row['percent']:+.2f} %"
