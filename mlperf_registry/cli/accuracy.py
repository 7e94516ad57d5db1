"""``mlperf accuracy``: score a language model's accuracy log, made here or elsewhere, as MLPerf's evaluation does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from mlperf_registry import plugins
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, overrides_of
from mlperf_registry.cli.table import table
from mlperf_registry.cli.terminal import say
from mlperf_registry.execute.scratch import scratch
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, WrongData, WrongFile
from mlperf_registry.schema.workload import Workload

if TYPE_CHECKING:
    from mlperf_registry.schema.plan import AccuracyBound

BENCHMARK = "llama3.1-8b"
"""Whose answers a log holds where nothing else is said, as in MLPerf's evaluation script of this form."""

DTYPES = ("int32", "int64")


def accuracy(request: Request) -> int:
    """Answer ``mlperf accuracy``: the line for accuracy.txt on stdout.

    Returns 1 where a bound of the benchmark is missed, and 3 where none is, but one is of a metric not scored here.
    """
    log = _required(request)
    workload, whole = _workload(request)
    family, options = workload.benchmark.family, workload.benchmark.options
    try:
        dataset = plugins.open_dataset(workload, scratch())
        score = plugins.accuracy_scorer(family)(log, dataset, options, request.dtype)
    except WrongFile as error:
        flag = "--dataset-file" if isinstance(error, WrongData) else "--mlperf-accuracy-file"
        raise ConfigError([Problem(flag, str(error))]) from error
    bounds = _bounds(workload, whole, answered=score.samples)
    rows = [_row(bound, score.values) for bound in bounds]
    if request.json:
        print_json(
            {"benchmark": workload.benchmark.id, "samples": score.samples, "values": score.values, "bounds": rows}
        )
    else:
        print(score.text, end="")
        if rows:
            cells = [[_shown(row[head]) for head in ("metric", "value", "min", "max", "passed")] for row in rows]
            say(table(("metric", "value", "min", "max", "passed"), cells, right=("value", "min", "max")))
    return _exit_code(rows)


def _required(request: Request) -> Path:
    needed = (
        ("--mlperf-accuracy-file", request.accuracy_log, "LoadGen's mlperf_log_accuracy.json"),
        ("--dataset-file", request.dataset_file, "the file of the data set, as MLPerf ships it"),
        ("--model-name", request.model_name, "the model's tokenizer.json, its folder, or a GGUF file"),
    )
    problems = [Problem(name, "is not given", hint=what) for name, value, what in needed if value is None]
    if request.dtype is not None and request.dtype not in DTYPES:
        near = nearest(request.dtype, DTYPES)
        problems.append(Problem("--dtype", f"is {' or '.join(DTYPES)}, not {request.dtype!r}", hint=near))
    if problems:
        raise ConfigError(problems)
    assert request.accuracy_log is not None
    return request.accuracy_log


def _workload(request: Request) -> tuple[Workload, int | None]:
    """What is scored, and how many samples its benchmark has: the file given, or an override, may have fewer."""
    registry = open_registry(request.systems)
    benchmark = request.benchmark or BENCHMARK
    workload = registry.structure(registry.compose((f"benchmark={benchmark}", *overrides_of(request))))
    if workload.benchmark.family != "llm":
        message = f"{benchmark} is no language model, whose logs are the ones that need a data set and a tokeniser"
        raise ConfigError([Problem("--benchmark", message, hint="mlperf run scores the others itself")])
    assert request.dataset_file is not None
    assert request.model_name is not None
    whole = registry.compose((f"benchmark={benchmark}",)).tree["data"].get("sample_count")
    asked = workload.data.sample_count
    data = attrs.evolve(
        workload.data, path=str(request.dataset_file.resolve()), sample_count=None if asked == whole else asked
    )
    model = attrs.evolve(workload.model, tokenizer_path=str(find_model(request.model_name)))
    return attrs.evolve(workload, data=data, model=model), whole


def find_model(name: str) -> Path:
    """The folder or file with a tokeniser: a path, or the name of a model that Hugging Face's cache holds.

    Raises:
        NotReady: when there is neither.
    """
    given = Path(name)
    if given.is_dir() and not (given / "tokenizer.json").is_file():
        files = ", ".join(str(path) for path in sorted(given.glob("*.gguf"))) or "FOLDER/tokenizer.json or FILE.gguf"
        raise NotReady(f"{given} holds no tokenizer.json. Name the file of the tokeniser itself: --model-name {files}")
    if given.exists():
        return given.resolve()
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    snapshots = sorted((home / "hub" / f"models--{name.replace('/', '--')}" / "snapshots").glob("*/tokenizer.json"))
    if not snapshots:
        raise NotReady(
            f"{name} is neither a file or folder here nor a model in {home / 'hub'}. Get the model's tokenizer.json "
            "and tokenizer_config.json, and name the folder that they are in with --model-name."
        )
    return max(snapshots, key=lambda path: path.stat().st_mtime).parent


def _bounds(workload: Workload, whole: int | None, *, answered: int) -> tuple[AccuracyBound, ...]:
    """What the benchmark's round asks, where all of its samples were answered: less says nothing about them."""
    asked = make_plan(workload).accuracy_bounds
    if asked and answered == whole:
        return asked
    benchmark, target = workload.benchmark.id, workload.accuracy_target.name
    if asked:
        say(f"{answered} of {whole} samples of {benchmark}: not held against bounds of {workload.round}.")
    else:
        say(f"{workload.round} has no bounds for {benchmark} at {target} ({workload.division}): held against none.")
    return ()


def _row(bound: AccuracyBound, values: dict[str, float]) -> dict[str, Any]:
    return {
        "metric": bound.metric,
        "value": values.get(bound.metric),
        "min": bound.min,
        "max": bound.max,
        "passed": bound.kept_by(values),
    }


def _exit_code(rows: Sequence[Mapping[str, Any]]) -> int:
    verdicts = [row["passed"] for row in rows]
    unscored = [row["metric"] for row in rows if row["passed"] is None]
    if unscored:
        say(
            f"Not complete: {', '.join(unscored)} not scored here: this package runs no program that a model wrote. "
            "The container of MLPerf's reference implementation scores all of the log."
        )
    return 1 if False in verdicts else NotReady.exit_code if unscored else 0


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
