"""The rows of ``python -m bench gpu``, rehearsed on a CPU: only the bare engine's own figures are made up."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from bench import gpu, gpu_bench, gpu_cell, gpu_rows
from bench.gpu_watch import Moment
from bench.row import table
from mlperf_registry import plugins

ON_CPU = (
    "system=generic_cpu",
    "backend=onnxruntime",
    "benchmark=resnet50-mini",
    "model.weights=trained",
    "builder.precision=fp32",
    "builder.gpu_batch_size=8",
    "runtime.gpu_inference_streams=1",
    "~builder.cache_file",
    "~builder.tactic_sources",
    "~builder.input_dtype",
    "~builder.input_format",
    "~runtime.use_graphs",
    "~runtime.gpu_copy_streams",
    "~runtime.use_spin_wait",
    "loadgen.min_query_count=1",
)
RATE = 3000.0


def found(rate=RATE, **changes):
    """As much of a RunResult as rows look at."""
    metrics = (SimpleNamespace(name="result_samples_per_second", value=rate),)
    usual = {"valid": True, "reasons": (), "metrics": metrics, "latency": None, "versions": {}, "log_dir": "logs/1"}
    return SimpleNamespace(**{**usual, "engine": SimpleNamespace(key="0"), **changes})


@pytest.fixture
def bench_gpu(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("mlperf_loadgen")

    def bare(self, *overrides, latency=False, streams=(), kinds=()):
        if latency:
            return {f"{name}_us": {"p90": 150.0, "p99": 900.0} for name in ("graph", "graph_with_copies")}
        return {"batch": 8, "samples_per_second": {f"1 {kind}": RATE for kind in kinds}}

    monkeypatch.setattr(gpu_bench.Bench, "bare", bare)
    out = tmp_path / "gpu.json"

    def run(row, *options, overrides=()):
        places = ("--build-dir", str(tmp_path / "build"), "--out", str(out))
        code = gpu.main([row, *places, *options, "--", *ON_CPU, *overrides])
        kept = json.loads(out.read_text())
        command = f"python -m bench gpu {row} "
        made = [one for one in kept.values() if one["command"].startswith(command)]
        assert code == (0 if all(one["holds"] for one in made) else 1) and kept[row] in made
        return kept[row]

    run.rows = lambda: json.loads(out.read_text())

    return run


@pytest.mark.slow
def test_offline_stands_beside_the_bare_engine_and_server_beside_offline(bench_gpu, capsys):
    offline = bench_gpu("offline", "--seconds", "2")
    assert offline["detail"]["valid"] is not None and offline["detail"]["bare"] == [RATE, RATE]
    assert offline["detail"]["ratio"] == pytest.approx(offline["detail"]["rate"] / RATE)
    rate = ("--offline", str(offline["detail"]["rate"]))  # on a quick machine the query was too short for VALID
    server = bench_gpu("server", "--seconds", "2", *rate, "--shares", "0.05", "9", "10", overrides=["scenario=server"])
    *valid, last = server["detail"]["runs"]
    assert not last["valid"] and all(run["valid"] for run in valid)  # the first that is not VALID ends it
    assert not server["holds"] and server["detail"]["offline"] == offline["detail"]["rate"]
    assert "Server over Offline" in capsys.readouterr().out


@pytest.mark.slow
def test_latencies_are_those_beyond_a_bare_graph(bench_gpu):
    row = bench_gpu("singlestream", "--seconds", "1", overrides=["builder.gpu_batch_size=1"])
    settings = row["detail"]["settings"]
    assert settings["start_from_device"] is False and settings["gathered_by"] == []  # that is a GPU's word
    assert row["detail"]["ours_us"] > 0 and row["reached"].startswith(f"plus {row['detail']['ours_us'] - 150:.0f} us")


@pytest.mark.slow
def test_memory_is_watched_while_the_child_runs(bench_gpu, monkeypatch):
    monkeypatch.setattr(gpu_rows, "SETTLED_SECONDS", 1.0)
    monkeypatch.setattr(gpu_rows, "WATCHED_SECONDS", 1.0)
    offline = bench_gpu("offline", "--seconds", "4")
    rows = bench_gpu.rows()
    assert list(rows) == ["memory", "offline"] and rows["offline"] == offline
    detail = rows["memory"]["detail"]
    grown, moments = detail["growth_mb"], detail["moments"]
    assert grown["resident_mb"] is not None and grown["mapped_mb"] is not None
    assert moments and all(moment["resident_mb"] and 0 <= moment["at"] <= detail["lasted_s"] for moment in moments)


@pytest.mark.slow
def test_accuracy_and_the_second_build(bench_gpu, monkeypatch):
    monkeypatch.setattr(gpu_rows, "PRECISIONS", ("fp32",))
    monkeypatch.setattr(gpu_bench.Bench, "run", _without_input_dtype(gpu_bench.Bench.run))
    row = bench_gpu("accuracy", overrides=["builder.gpu_batch_size=64"])
    assert row["holds"] and row["detail"]["scores"]["fp32"]["samples"] == 10_000
    assert "no build" in bench_gpu("rebuild")["reached"]


def _without_input_dtype(run):
    return lambda self, *overrides: run(self, *(text for text in overrides if "input_dtype" not in text))


def test_memory_is_kept_before_the_bare_engines_second_turn(tmp_path, monkeypatch):
    def run(self, *overrides, told):
        now = time.monotonic()
        told.run_from, told.run_until = now - 240, now
        return found()

    turns = iter([RATE])
    monkeypatch.setattr(gpu_bench.Bench, "build", lambda self: None)
    monkeypatch.setattr(gpu_bench.Bench, "run", run)
    monkeypatch.setattr(gpu_bench.Bench, "bare_rate", lambda self: next(turns))
    out = tmp_path / "gpu.json"
    with pytest.raises(StopIteration):
        gpu.main(["offline", "--out", str(out), "--seconds", "240"])
    assert list(json.loads(out.read_text())) == ["memory"]


@pytest.mark.parametrize(("rate", "holds"), [(3.91 * RATE, True), (3.89 * RATE, False)])
def test_several_gpus_stand_beside_one(tmp_path, monkeypatch, rate, holds):
    asked = []

    def run(self, *overrides):
        asked.append(gpu_cell.workload([*self.overrides, *overrides]))
        return found(RATE if len(asked) == 1 else rate)

    monkeypatch.setattr(gpu_bench.Bench, "build", lambda self: None)
    monkeypatch.setattr(gpu_bench.Bench, "run", run)
    monkeypatch.setattr(gpu_bench.Bench, "bare_rate", lambda self: RATE)
    code = gpu.main(["scaling", "--out", str(tmp_path / "gpu.json"), "--gpus", "4"])
    assert code == (0 if holds else 1)
    assert [cell.runtime.gpu_indices for cell in asked] == [(0,), (0, 1, 2, 3)]
    assert asked[1].loadgen.offline_expected_qps == pytest.approx(4 * asked[0].loadgen.offline_expected_qps)


@pytest.mark.parametrize(("until", "watched"), [(119.0, False), (120.0, True), (None, False)])
def test_memory_is_told_of_runs_that_are_long_enough(until, watched):
    told = gpu_bench.Told()
    told.run_from, told.run_until = 0.0, until
    row = gpu_rows.memory(gpu_rows.Watch(), told, found())
    assert (row is not None) == watched
    assert row is None or not row.holds  # nobody looked


@pytest.mark.parametrize(
    ("grown", "holds"),
    [
        ({"resident_mb": 112.7}, True),  # LoadGen's log of 78,744 samples/s in 187 s is 117.8 MB
        ({"resident_mb": 140.0}, False),
        ({"mapped_mb": 17.0}, False),
        ({"gpu_mb": 17.0}, False),
    ],
)
def test_memory_grows_by_no_more_than_loadgens_own_log(grown, holds):
    told, watch = gpu_bench.Told(), gpu_rows.Watch()
    told.run_from, told.run_until = 0.0, 247.0
    for second in range(60, 248):
        much = {name: 1000 + grown.get(name, 0.0) * (second > 150) for name in ("resident_mb", "mapped_mb", "gpu_mb")}
        watch.moments.append(Moment(at=float(second), clock_mhz=None, power_w=None, **much))
    row = gpu_rows.memory(watch, told, found(78_744))
    assert row.holds == holds
    assert "16 MB" in row.bar and "117.8 MB of LoadGen's log, 8 B x 78,744 samples/s x 187 s" in row.bar


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Rows of runs that end as told: the function runs one, and gives the exit code."""
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(gpu_bench.Bench, "build", lambda self: None)
    monkeypatch.setattr(gpu_bench.Bench, "bare_rate", lambda self: RATE)
    graphs = {f"{name}_us": {"p90": 150.0, "p99": 900.0} for name in ("graph", "graph_with_copies")}
    monkeypatch.setattr(gpu_bench.Bench, "bare", lambda self, latency: graphs)

    def measure(row, result, *options):
        monkeypatch.setattr(gpu_bench.Bench, "run", lambda self, *overrides, told=None: result)
        return gpu.main([row, "--out", str(out), *options])

    measure.rows = lambda: json.loads(out.read_text()) if out.is_file() else {}
    measure.out = out
    return measure


@pytest.mark.parametrize(
    ("row", "options", "result"),
    [
        ("offline", (), found(metrics=())),
        ("scaling", (), found(metrics=())),
        ("server", ("--offline", "1000"), found()),
        ("singlestream", (), found(latency={"99.00": 1e5})),
        ("multistream", (), found(latency={"90.00": 1e5})),
    ],
)
def test_a_figure_that_a_run_lacks_is_no_zero(measured, row, options, result):
    with pytest.raises(SystemExit, match=r"logs/1/result\.json has no figure"):
        measured(row, result, *options)
    assert measured.rows() == {}


def test_server_says_which_offline_row_it_is_of(measured):
    assert measured("offline", found(0.98 * RATE)) == 0
    assert measured("server", found(latency={"99.00": 9e6}), "--shares", "0.85") == 0
    rows = measured.rows()
    offline, detail = rows["offline"], rows["server"]["detail"]
    assert detail["offline"] == detail["beside"]["rate"] == offline["detail"]["rate"]
    assert detail["beside"]["engine"] == "0" and detail["beside"]["command"] == offline["command"]
    assert detail["beside"]["date"] == offline["date"] and rows["server"]["reached"].startswith(
        "0.850 VALID, p99 9.0 ms"
    )


@pytest.mark.parametrize(("changes", "said"), [({"gpu": "NVIDIA T4"}, "is of NVIDIA T4"), ({}, "was not VALID")])
def test_server_stands_beside_a_valid_offline_row_of_this_gpu_alone(measured, changes, said):
    assert measured("offline", found(RATE, valid=False)) == 1
    kept = measured.rows()
    measured.out.write_text(json.dumps({"offline": {**kept["offline"], **changes}}))
    with pytest.raises(SystemExit, match=f"{said}.*--offline RATE"):
        measured("server", found(latency={"99.00": 9e6}))
    assert measured("server", found(latency={"99.00": 9e6}), "--offline", "3000") == 0
    assert measured.rows()["server"]["detail"]["beside"] is None


def test_a_run_ends_with_its_last_answer(monkeypatch):
    told, clock = gpu_bench.Told(), iter([100.0, 101.0, 102.0, 103.0])
    monkeypatch.setattr(gpu_bench.time, "monotonic", lambda: next(clock))
    for elapsed, completed in enumerate([0, 10, 20, 20]):
        told.samples(completed=completed, rate=0.0, elapsed=elapsed + 1.0, length=None)
    assert (told.run_from, told.run_until) == (99.0, 102.0)


def test_a_later_override_wins_and_a_tilde_takes_one_away():
    merged = gpu_cell.merged(["builder.gpu_batch_size=8", "builder.gpu_batch_size=16", "~builder.input_format"])
    assert "builder.gpu_batch_size=16" in merged and "builder.gpu_batch_size=8" not in merged
    assert not [text for text in merged if text.startswith("builder.input_format")]


@pytest.mark.parametrize("row", sorted(gpu_rows.ROWS))
def test_every_rows_configuration_is_one(row):
    cell = gpu_cell.workload(gpu_rows.DEFAULTS.get(row, ()))
    assert cell.backend.name == "tensorrt" and plugins.benchmark(cell.benchmark.family).runnable
    assert (cell.model.weights == "random") == (row != "accuracy")


def test_the_table_has_a_line_for_each_row(tmp_path):
    row = {"figure": "f", "bar": "b", "reached": "r", "holds": False, "command": "c"}
    (tmp_path / "a.json").write_text(json.dumps({"offline": row, "bare": row}))
    (tmp_path / "b.json").write_text(json.dumps({"offline": {**row, "holds": True}}))
    lines = table([tmp_path / "a.json", tmp_path / "b.json"]).splitlines()
    assert lines[2:] == ["| f | b | r | holds | `c` |", "| f | b | r | **missed** | `c` |"]


def test_bare_loops_keep_every_stream_busy_and_look_at_every_answer(monkeypatch):
    bare_engine = pytest.importorskip("bench.bare_engine")
    cuda = _Cuda()
    monkeypatch.setattr(bare_engine, "runtime", cuda)
    streams = [_stream(bare_engine, number) for number in (1, 2)]
    assert bare_engine.rate(streams, 4, 0.05, graphs=True) > 0
    assert cuda.calls["cudaEventRecord"] == cuda.launched and cuda.launched % 2 == 0
    # All but the first few launches of a stream wait for an earlier one.
    assert cuda.calls["cudaEventSynchronize"] == cuda.launched - 2 * bare_engine.IN_FLIGHT
    assert set(bare_engine.latencies(streams[0], streams[0].graph, 0.05)) == {"p50", "p90", "p99"}
    cuda.error = 700
    with pytest.raises(RuntimeError, match="cudaErrorIllegalAddress"):
        bare_engine.rate(streams, 4, 0.05, graphs=True)


class _Cuda:
    """Answers every call; the launches themselves are counted."""

    def __init__(self):
        self.calls, self.launched, self.error = {}, 0, 0

    def __getattr__(self, name):
        if name.startswith("cudaGetError"):
            return lambda error: (0, b"cudaErrorIllegalAddress")

        def call(*values):
            self.calls[name] = self.calls.get(name, 0) + 1
            self.launched += name == "cudaGraphLaunch"
            return (self.error,)

        return call


def _stream(bare_engine, handle):
    def launch():
        bare_engine.ask(bare_engine.runtime.cudaGraphLaunch(0, handle))

    events = tuple(range(bare_engine.IN_FLIGHT))
    return bare_engine.Stream(handle=handle, enqueue=launch, graph=launch, graph_with_copies=launch, events=events)
