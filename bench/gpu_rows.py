"""The rows of ``python -m bench gpu``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import attrs

from bench.gpu_bench import ROOT, Bench, Told, environ
from bench.gpu_cell import merged, workload
from bench.gpu_watch import Watch
from bench.row import Row, Rows
from mlperf_registry.execute.result import RESULT_FILE
from mlperf_registry.schema.result import RunResult

OFFLINE_MARGIN = 1.1
"""The Offline query is sized for so much more than the bare engine does, and so lasts long enough."""
SETTLED_SECONDS = 60.0
"""Memory is looked at from here on."""
WATCHED_SECONDS = 60.0
"""And for no less than this: of a shorter run, growth is not told."""
NO_GROWTH_MB = 16.0
"""What pages of Python's own may come and go."""
LOGGED_BYTES = 8
"""LoadGen keeps so much for each sample answered until the run's end, in memory that it reserved before."""

SCALING_EACH = 0.975
"""Of a GPU alone, that each of several gives."""

DEFAULTS = {
    "server": (
        "scenario=server",
        "builder.gpu_batch_size=256",
        "runtime.deque_timeout_usec=1000",
        "loadgen.server_coalesce_queries=true",
    ),
    "singlestream": (
        "scenario=singlestream",
        "builder.gpu_batch_size=1",
        "runtime.gpu_inference_streams=1",
        "runtime.gpu_copy_streams=1",
        "runtime.use_spin_wait=true",
    ),
    "multistream": (
        "scenario=multistream",
        "builder.gpu_batch_size=8",
        "runtime.gpu_inference_streams=1",
        "runtime.gpu_copy_streams=1",
        "runtime.use_spin_wait=true",
    ),
    "accuracy": (
        "benchmark=resnet50-mini",
        "model.weights=trained",
        "~builder.cache_file",
        "loadgen.test_mode=AccuracyOnly",
        "builder.gpu_batch_size=256",
    ),
}
"""Overrides of a row, over those of the cell; the command line's come last."""

LATENCY_SETTINGS = (
    "start_from_device",
    "use_direct_host_access",
    "use_graphs",
    "use_spin_wait",
    "gpu_inference_streams",
    "gpu_copy_streams",
)
"""Fields of ``runtime`` that a latency is kept with."""

PRECISIONS = ("fp16", "int8")
"""Precisions whose accuracy is measured; the input has the same."""


def bare(bench: Bench) -> Row:
    """The bare engine at the cell's batch, with 1 to N streams, with and without graphs."""
    bench.build()
    profiles = workload(bench.overrides).runtime.gpu_inference_streams or 1
    with Watch() as watch:
        start = time.monotonic()
        found = bench.bare(streams=range(1, profiles + 1))
        state = watch.between(start, time.monotonic())
    best, rate = max(found["samples_per_second"].items(), key=lambda item: item[1])
    return Row(
        figure="bare engine",
        bar="77,500 samples/s",
        reached=f"{rate:,.0f} samples/s at batch {found['batch']}, {best}",
        holds=rate >= 77_500,
        detail={"rate": rate, **found, **state},
    )


def offline(bench: Bench) -> Row:
    """LoadGen Offline between two turns of the bare engine; of a long run the row memory, too."""
    bench.build()
    told = Told()
    with Watch() as watch:
        turns = [time.monotonic()]
        before = bench.bare_rate()
        turns.append(time.monotonic())
        result = bench.run(
            f"loadgen.min_duration={bench.seconds:g}s",
            f"loadgen.offline_expected_qps={OFFLINE_MARGIN * before:.0f}",
            told=told,
        )
        turns.append(time.monotonic())
        grown = memory(watch, told, result)
        if grown is not None:
            bench.keep("memory", grown)
        after = bench.bare_rate()
        turns.append(time.monotonic())
    rate = _metric(result, "result_samples_per_second")
    ratio = rate / mean((before, after))
    return Row(
        figure="Offline over the bare engine",
        bar="0.97, VALID",
        reached=f"{ratio:.3f}, {_validity(result)}: {rate:,.0f} over {mean((before, after)):,.0f} samples/s",
        holds=ratio >= 0.97 and bool(result.valid),
        detail={
            "ratio": ratio,
            "rate": rate,
            "bare": [before, after],
            "states": [watch.between(*pair) for pair in pairwise(turns)],
            **_facts(result),
        },
    )


def scaling(bench: Bench) -> Row:
    """LoadGen Offline on as many GPUs as asked for, over LoadGen on one of them."""
    bench.build()
    alone = bench.bare_rate()
    results = [
        bench.run(
            f"runtime.gpu_indices=[{','.join(map(str, range(count)))}]",
            f"loadgen.min_duration={bench.seconds:g}s",
            f"loadgen.offline_expected_qps={OFFLINE_MARGIN * count * alone:.0f}",
        )
        for count in (1, bench.asked.gpus)
    ]
    one, all_ = (_metric(result, "result_samples_per_second") for result in results)
    ratio, least = all_ / one, SCALING_EACH * bench.asked.gpus
    return Row(
        figure=f"Offline on {bench.asked.gpus} GPUs over one",
        bar=f"{least:.2f}, VALID",
        reached=f"{ratio:.3f}, {_validity(*results)}: {all_:,.0f} over {one:,.0f} samples/s",
        holds=ratio >= least and all(result.valid for result in results),
        detail={"ratio": ratio, "rates": [one, all_], "bare": alone, "runs": [_facts(result) for result in results]},
    )


def memory(watch: Watch, told: Told, result: RunResult) -> Row | None:
    """Memory of child and GPU over an Offline run, from ``SETTLED_SECONDS`` to its end; None where it was too short.

    Neither the GPU's memory nor the child's address space may grow. Resident memory shows a leak of small allocations,
    which fill what was reserved before; LoadGen's log does so too, and is allowed for.
    """
    if told.run_from is None or told.run_until is None:
        return None
    lasted = told.run_until - told.run_from
    if lasted < SETTLED_SECONDS + WATCHED_SECONDS:
        return None
    watched, rate = lasted - SETTLED_SECONDS, _metric(result, "result_samples_per_second")
    log = LOGGED_BYTES * rate * watched / 1e6
    most = {"resident_mb": NO_GROWTH_MB + log, "mapped_mb": NO_GROWTH_MB, "gpu_mb": NO_GROWTH_MB}
    grown = watch.growth(told.run_from + SETTLED_SECONDS, told.run_until)
    said = ", ".join(
        f"{name.removesuffix('_mb')} {'unknown' if value is None else f'{value:+.1f} MB'}"
        for name, value in grown.items()
    )
    return Row(
        figure=f"memory after {SETTLED_SECONDS:g} s of {lasted:.0f} s Offline",
        bar=f"{NO_GROWTH_MB:g} MB each; resident: and {log:.1f} MB of LoadGen's log, "
        f"{LOGGED_BYTES} B x {rate:,.0f} samples/s x {watched:.0f} s",
        reached=f"{said} ({_validity(result)})",
        holds=all(value is not None and value <= most[name] for name, value in grown.items()),
        detail={
            "growth_mb": grown,
            "most_mb": most,
            "lasted_s": lasted,
            "watched_s": watched,
            "moments": [
                {**attrs.asdict(moment), "at": moment.at - told.run_from}
                for moment in watch.during(told.run_from, told.run_until)
            ],
            **_facts(result),
        },
    )


def server(bench: Bench) -> Row:
    """LoadGen Server at shares of the Offline rate, until one is not VALID."""
    beside = None if bench.asked.offline else _offline_kept(bench.asked.out)
    rate = float(bench.asked.offline if beside is None else beside["rate"])
    bench.build()
    runs = []
    for share in sorted(bench.asked.shares):
        result = bench.run(f"loadgen.min_duration={bench.seconds:g}s", f"loadgen.server_target_qps={share * rate:.0f}")
        runs.append({"share": share, "p99_ms": _latency_us(result, 99) / 1000, **_facts(result)})
        if not result.valid:
            break
    valid = [run for run in runs if run["valid"]]
    reached = f"{valid[-1]['share']:.3f} VALID, p99 {valid[-1]['p99_ms']:.1f} ms" if valid else "none VALID"
    return Row(
        figure="Server over Offline",
        bar="0.80, VALID, p99 15 ms",
        reached=f"{reached}, of {rate:,.0f} samples/s",
        holds=bool(valid) and valid[-1]["share"] >= 0.80,
        detail={"offline": rate, "beside": beside, "runs": runs},
    )


def _offline_kept(file: Path) -> dict[str, Any]:
    """Rate of the row offline in a file, and how it was measured."""
    row = Rows(file).beside("offline", "measure it here first, or give --offline RATE.")
    measured = {name: row["detail"][name] for name in ("rate", "engine")}
    return {**measured, **{name: row[name] for name in ("command", "date", "gpu")}}


def singlestream(bench: Bench) -> Row:
    """SingleStream's p90 over the bare engine's, as one CUDA graph on data that is on the GPU."""
    return _latency_row(bench, figure="SingleStream p90 over a bare graph", percentile=90, most_us=40)


def multistream(bench: Bench) -> Row:
    """MultiStream's p99 over the bare engine's at batch 8."""
    return _latency_row(bench, figure="MultiStream p99 over bare batch 8", percentile=99, most_us=80)


def _latency_row(bench: Bench, *, figure: str, percentile: int, most_us: float) -> Row:
    bench.build()
    before = bench.bare(latency=True)
    result = bench.run(f"loadgen.min_duration={bench.seconds:g}s")
    after = bench.bare(latency=True)
    alone, copying = (
        mean(turn[name][f"p{percentile}"] for turn in (before, after)) for name in ("graph_us", "graph_with_copies_us")
    )
    ours = _latency_us(result, percentile)
    return Row(
        figure=figure,
        bar=f"plus {most_us:g} us",
        reached=f"plus {ours - alone:.0f} us, {_validity(result)}: {ours:.0f}; bare {alone:.0f}, copies {copying:.0f}",
        holds=ours - alone <= most_us and bool(result.valid),
        detail={"ours_us": ours, "bare": [before, after], "settings": _settings(bench, result), **_facts(result)},
    )


def _settings(bench: Bench, result: RunResult) -> dict[str, Any]:
    """What a query's way through the product depends on, and the way that each GPU took."""
    cell = workload(bench.overrides)
    log = (Path(result.log_dir) / "performance.log").read_text(errors="replace")
    return {
        **{name: getattr(cell.runtime, name) for name in LATENCY_SETTINGS},
        "gather": getattr(cell.backend.options, "gather", None),
        "gathered_by": [line for line in log.splitlines() if "gathered by" in line],
    }


def accuracy(bench: Bench) -> Row:
    """All images of resnet50-mini on the GPU, against ONNX Runtime in fp32 on the same."""
    reference = workload(bench.overrides).benchmark.accuracy_reference
    assert reference is not None, "the mini's README says what ONNX Runtime scores"
    scores = {}
    for precision in PRECISIONS:
        result = bench.run(f"builder.precision={precision}", f"builder.input_dtype={precision}")
        assert result.accuracy is not None
        scores[precision] = {"value": result.accuracy.value, "samples": result.accuracy.samples, **_facts(result)}
    worst = max(abs(score["value"] - reference) for score in scores.values())
    return Row(
        figure="accuracy of resnet50-mini",
        bar=f"within 0.5 points of {reference} %",
        reached=", ".join(f"{precision} {score['value']:.2f} %" for precision, score in scores.items()),
        holds=worst <= 0.5 and not any(score["reasons"] for score in scores.values()),
        detail={"reference": reference, "scores": scores},
    )


def rebuild(bench: Bench) -> Row:
    """``mlperf build`` of an engine that is there, process and all."""
    command = [sys.executable, "-m", "mlperf_registry", "build", *merged(bench.overrides)]
    command += ["--build-dir", str(bench.build_dir), "--json"]
    bench.build()
    times, reused = [], []
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environ())
        times.append(time.perf_counter() - begun)
        reused.append(bool(json.loads(done.stdout)["reused"]))
    return Row(
        figure="second build of the same key",
        bar="no build, 1 s",
        reached=f"{'no build' if all(reused) else 'BUILT'}, {median(times):.2f} s",
        holds=all(reused) and median(times) < 1,
        detail={"seconds": times, "reused": reused},
    )


def _metric(result: RunResult, name: str) -> float:
    return _figure({metric.name: metric.value for metric in result.metrics}, name, result)


def _latency_us(result: RunResult, percentile: int) -> float:
    return _figure(result.latency or {}, f"{percentile}.00", result) / 1000


def _figure(figures: dict[str, float], name: str, result: RunResult) -> float:
    """A figure of a run; SystemExit where it has none, for 0 would pass for a good one."""
    if name not in figures:
        file = Path(result.log_dir) / RESULT_FILE
        why = "; ".join(result.reasons) or "it gives no reason"
        raise SystemExit(f"{file} has no figure {name} ({why}): see the logs beside it, and measure the row again.")
    return figures[name]


def _validity(*results: RunResult) -> str:
    return "VALID" if all(result.valid for result in results) else "INVALID"


def _facts(result: RunResult) -> dict[str, Any]:
    metrics = {metric.name: metric.value for metric in result.metrics}
    return {
        "valid": result.valid,
        "reasons": list(result.reasons),
        "metrics": metrics,
        "latency_ns": result.latency,
        "engine": result.engine.key,
        "versions": result.versions,
    }


ROWS: dict[str, Callable[[Bench], Row]] = {
    row.__name__: row for row in (bare, offline, scaling, server, singlestream, multistream, accuracy, rebuild)
}
