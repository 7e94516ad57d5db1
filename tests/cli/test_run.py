"""``mlperf run``, ``build`` and ``harness`` for real: the mini benchmark through LoadGen, and how they end early."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlperf_registry.cli import report as report_verb
from mlperf_registry.cli import run as run_verb

QUICK = ("loadgen.test_mode=PerformanceOnly", "loadgen.min_duration=1s", "runtime.warmup_duration=10ms")


@pytest.fixture(scope="module")
def shared_build(tmp_path_factory):
    """A build folder whose engine is made once."""
    return tmp_path_factory.mktemp("build")


@pytest.mark.slow
def test_build_then_harness_then_report_and_diff(mlperf, shared_build):
    where = ("--build-dir", str(shared_build))
    assert mlperf("harness", *QUICK, *where).code == 3

    engine = mlperf("build", "--json", *where).json
    assert engine["reused"] is False
    assert mlperf("build", "--json", *where).json["reused"] is True

    answer = mlperf("harness", "--json", *QUICK, *where)
    result = answer.json
    assert result["engine"] == {"key": engine["key"], "path": engine["path"], "reused": True}
    assert answer.code == (0 if result["valid"] else 1)
    folder = Path(result["log_dir"])
    assert json.loads((folder / "result.json").read_text()) == result
    assert Path(result["report"]).is_file()
    assert "performance: resnet50-mini Offline" in answer.err

    Path(result["report"]).unlink()
    top = folder.parents[2]
    assert mlperf("report", str(top)).out.strip() == result["report"]
    assert "conf/mode/explore.yaml" in Path(result["report"]).read_text()

    found = mlperf("diff", str(top), "scenario=server", "--json").json
    assert {"path": "scenario.name", "left": "Offline", "right": "Server"} in found["differences"]
    same = mlperf("diff", str(folder), str(folder / "result.json"), "--json").json
    assert same["differences"] == []
    assert {row["percent"] for row in same["metrics"]} == {0.0}


def test_an_invalid_result_ends_with_1(mlperf, shared_build):
    words = ("scenario=server", "loadgen.server_target_qps=500", "loadgen.server_target_latency_ns=1")
    answer = mlperf("run", "--json", *QUICK, *words, "--build-dir", str(shared_build))
    assert answer.code == 1
    assert answer.json["valid"] is False
    assert answer.json["reasons"]


def test_missing_data_is_exit_3_and_says_where_to_get_it(mlperf, monkeypatch):
    monkeypatch.delenv("MLPERF_SCRATCH_PATH", raising=False)
    answer = mlperf("run", "benchmark=resnet50", "--json")
    assert answer.code == 3
    assert answer.json["error"]["kind"] == "NotReady"
    assert "resnet50_v1.onnx" in answer.err


@pytest.mark.slow
def test_a_report_that_cannot_be_written_takes_no_result_away(mlperf, shared_build, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_verb, "write_report", full)
    words = ("run", *QUICK, "--build-dir", str(shared_build))
    answer = mlperf(*words, "--json")
    assert answer.code == (0 if answer.json["valid"] else 1)
    folder = answer.json["log_dir"]
    assert f"could not be written (No space left on device): mlperf report {folder}" in answer.err
    (point,) = mlperf(*words, "--json", "-m").json
    assert Path(point["log_dir"], "result.json").is_file()
    assert "The report lies at" not in mlperf(*words).out
    monkeypatch.setattr(report_verb, "write_run_report", full)
    answer = mlperf("report", folder, "--json")
    assert answer.code == 3
    assert "No space left on device" in answer.json["error"]["message"]


def test_an_accuracy_run_alone_is_not_probed_for(mlperf, shared_build):
    words = ("loadgen.test_mode=AccuracyOnly", "runtime.warmup_duration=10ms")
    answer = mlperf("run", "--json", *words, "--build-dir", str(shared_build))
    assert answer.code == 0, answer.err
    assert answer.json["valid"] is None and answer.json["accuracy"]["passed"]
    assert "probe" not in answer.err


@pytest.mark.slow
def test_a_sweep_for_real_shares_no_folder(mlperf, shared_build):
    answer = mlperf("run", "-m", "--json", *QUICK, "scenario=offline,singlestream", "--build-dir", str(shared_build))
    assert len({one["log_dir"] for one in answer.json}) == 2


@pytest.mark.slow
def test_the_default_command_is_valid_and_accurate(mlperf):
    answer = mlperf("run", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["accuracy"]["value"] >= 90
    assert answer.json["accuracy"]["samples"] == 10_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_child_too_and_leaves_no_result(checkout: Path, shared_build, number):
    words = ("loadgen.test_mode=PerformanceOnly", "loadgen.min_duration=60s", "loadgen.offline_expected_qps=20000")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlperf_registry", "run", *words, "--json", "--build-dir", str(shared_build)],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell without job control starts us with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("performance"):
            break
    folder = _newest_run(shared_build)
    _until(lambda: _processes_with(str(folder)))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["kind"] == "Interrupted"
    assert "Traceback" not in err
    assert not _processes_with(str(folder))
    assert not (folder / "result.json").exists()


def test_a_hang_up_that_was_to_be_ignored_still_is(mlperf, monkeypatch):
    """As ``nohup mlperf run`` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(run_verb, "run_point", lambda job: signal.raise_signal(signal.SIGHUP) or 1 / 0)
        assert mlperf("run").code == 1
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_handler_that_python_did_not_set_is_left_alone(mlperf, monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # as where a program in C has one, and calls us
    set_here = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_here.append(number))
    assert mlperf("run", "--cfg").code == 0
    assert set_here == []


def test_modules_of_the_users_are_not_taken_for_those_that_a_run_needs(mlperf, shared_build, tmp_path):
    for name in ("numpy.py", "attrs.py", "onnxruntime.py", "harness/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise RuntimeError('mine')")
    answer = mlperf("run", "--json", *QUICK, "--build-dir", str(shared_build))
    assert "run_id" in answer.json, answer.err


def _newest_run(build: Path) -> Path:
    return max(build.glob("logs/*/*/*/*/run.json"), key=lambda path: path.stat().st_mtime_ns).parent


def _processes_with(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if word in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
