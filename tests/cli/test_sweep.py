"""``-m``: Hydra's sweeps with our choices for each point, failures kept, and nothing of Hydra's left lying about."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_registry.cli import run as run_verb
from mlperf_registry.cli import sweep, sweep_folder
from mlperf_registry.cli.sweep import headline_of, run_point
from mlperf_registry.schema.problem import NotReady, RunFailed
from mlperf_registry.schema.result import RunResult
from mlperf_registry.structure import structure

MACHINES = Path(__file__).parents[1] / "data" / "machines"


@pytest.fixture
def ran(monkeypatch, result, tmp_path):
    """Replaces running by a result that tells what was asked; overrides of each point that ran."""
    points = []

    def point(job):
        points.append(job.overrides)
        workload = job.workload
        sizes = workload.builder.gpu_batch_size
        batch = 1 if sizes is None else sizes.only()
        if batch == 11:
            raise NotReady("Eleven is not here.")
        if batch == 13:
            raise RunFailed("Thirteen is unlucky.")
        if batch == 17:
            raise ZeroDivisionError("seventeen")
        changed = {
            "scenario": workload.scenario.name,
            "system": workload.system.id,
            "backend": workload.backend.name,
            "tuned_round": workload.tuned_round,
            "valid": batch != 19,
            "metrics": [{"name": "rate", "value": float(batch), "unit": "samples/s"}],
            "log_dir": str(tmp_path),
        }
        return structure(RunResult, {**result, **changed}, canonical=True)

    monkeypatch.setattr(run_verb, "run_point", point)
    return points


def test_results_come_as_a_list_in_order_with_one_report(mlperf, ran, tmp_path):
    before = (list(sys.argv), dict(os.environ))
    answer = mlperf("run", "-m", "--json", "builder.gpu_batch_size=1,2", "scenario=offline,server")
    assert answer.code == 0, answer.err
    found = [(one["metrics"][0]["value"], one["scenario"]) for one in answer.json]
    assert found == [(1, "Offline"), (1, "Server"), (2, "Offline"), (2, "Server")]
    assert {path.name for path in tmp_path.iterdir()} == {"build"}
    (folder,) = (tmp_path / "build" / "logs").iterdir()
    assert (folder / "report.html").is_file()
    assert (sys.argv, dict(os.environ)) == before


def test_without_json_the_table_and_the_report_are_on_stdout(mlperf, ran):
    answer = mlperf("run", "-m", "builder.gpu_batch_size=1,2")
    assert "★" in answer.out
    assert "The report lies at " in answer.out
    assert "2 points" in answer.err


def test_points_have_one_number_before_and_after_they_ran(mlperf, ran):
    answer = mlperf("run", "-m", "builder.gpu_batch_size=1,13")
    assert "Point 1: builder.gpu_batch_size=1" in answer.err and "Point 2 failed: Thirteen" in answer.err
    assert [line.split()[:2] for line in answer.out.splitlines()[1:3]] == [["1", "1"], ["2", "13"]]
    dry = mlperf("run", "-m", "--dry-run", "builder.gpu_batch_size=1,13")
    assert [line.split()[0] for line in dry.out.splitlines()[2:4]] == ["1", "2"]


def test_a_failed_point_stops_nothing_and_is_kept_with_its_error(mlperf, ran):
    answer = mlperf("run", "-m", "--json", "builder.gpu_batch_size=1,13,17,2")
    assert answer.code == 1
    good, unlucky, odd, last = answer.json
    assert (good["valid"], last["valid"]) == (True, True)
    assert unlucky == {
        "overrides": ["builder.gpu_batch_size=13"],
        "error": "Thirteen is unlucky.",
        "kind": "RunFailed",
    }
    assert odd["kind"] == "Unexpected"
    assert "2 of 4 points failed" in answer.err


@pytest.mark.parametrize(("batches", "code"), [("11,11", 3), ("1,11", 3), ("11,13", 1), ("11,19", 1), ("13,17", 1)])
def test_points_that_fail_alike_give_their_exit_code(mlperf, ran, batches, code):
    assert mlperf("run", "-m", f"builder.gpu_batch_size={batches}").code == code


def test_a_point_that_left_no_record_is_a_failed_one(mlperf, ran, monkeypatch):
    kept = sweep_folder.record

    def record(folder, number, *rest):
        if number == 1:
            raise OSError(28, "No space left on device")
        kept(folder, number, *rest)

    monkeypatch.setattr(sweep, "record", record)
    answer = mlperf("run", "-m", "--json", "builder.gpu_batch_size=1,2,3")
    assert answer.code == 1
    assert answer.json[1] == {
        "overrides": ["builder.gpu_batch_size=2"],
        "error": "left no record",
        "kind": "RunFailed",
    }
    assert [one["metrics"][0]["value"] for one in (answer.json[0], answer.json[2])] == [1, 3]
    assert "point 2 ended cannot be written" in answer.err


def test_a_sweeps_report_that_cannot_be_written_takes_no_results_away(mlperf, ran, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweep, "write_multirun_report", full)
    answer = mlperf("run", "-m", "--json", "builder.gpu_batch_size=1,2")
    assert answer.code == 0
    assert len(answer.json) == 2
    assert "No space left on device" in answer.err


def test_an_invalid_point_makes_the_sweep_end_with_1(mlperf, ran):
    assert mlperf("run", "-m", "builder.gpu_batch_size=1,19").code == 1


def test_each_point_has_choices_of_its_own(mlperf, ran):
    answer = mlperf(
        "run", "-m", "--json", "benchmark=resnet50", "system=generic_cpu,H200-SXM-141GBx8", "scenario=Offline"
    )
    assert [(one["backend"], one["tuned_round"] != "none") for one in answer.json] == [
        ("onnxruntime", False),
        ("tensorrt", True),
    ]


def test_aliases_and_globs_are_known_in_sweeps(mlperf, ran):
    answer = mlperf("run", "-m", "--json", "benchmark=mini", "scenario=Offline,Server", "accuracy_target=99")
    assert answer.code == 0, answer.err
    assert ran[0] == ("system=generic_cpu", "benchmark=resnet50-mini", "scenario=offline", "accuracy_target=k_99")
    ran.clear()
    assert mlperf("run", "-m", "scenario=glob(*stream)").code == 0
    assert {word for (_, word) in ran} == {"scenario=singlestream", "scenario=multistream"}


def test_ranges_and_a_single_point(mlperf, ran):
    assert len(mlperf("run", "-m", "--json", "builder.gpu_batch_size=range(1,5)").json) == 4
    assert len(mlperf("run", "-m", "--json").json) == 1


def test_batches_of_points_go_on_after_a_failure(mlperf, ran):
    words = ("hydra.sweeper.max_batch_size=1", "builder.gpu_batch_size=13,1")
    answer = mlperf("run", "-m", "--json", *words)
    assert [("error" in one) for one in answer.json] == [True, False]


def test_system_auto_in_a_sweep(mlperf, ran):
    answer = mlperf("run", "-m", "--json", "system=auto,L4x1")
    assert [one["system"] for one in answer.json] == ["generic_cpu", "L4x1"]
    assert answer.err.count("no accelerator is seen here") == 1
    rows = mlperf("run", "-m", "--dry-run", "--json", "system=auto,L4x1").json
    assert [row["cell"].split("/")[0] for row in rows] == ["generic_cpu", "L4x1"]


def test_system_auto_is_resolved_by_the_job(mlperf, ran, tmp_path, monkeypatch):
    monkeypatch.setenv("MLPERF_MACHINE", str(MACHINES / "l4.json"))
    launch = sweep.launch

    def elsewhere(*arguments):
        monkeypatch.setenv("MLPERF_MACHINE", str(MACHINES / "laptop.json"))
        launch(*arguments)

    monkeypatch.setattr(sweep, "launch", elsewhere)
    answer = mlperf("run", "-m", "--json", "system=auto")
    assert [one["system"] for one in answer.json] == ["generic_cpu"]
    (folder,) = (tmp_path / "build" / "logs").iterdir()
    assert json.loads((folder / "sweep.json").read_text())["overrides"] == ["system=auto"]


def test_a_machine_elsewhere_is_not_judged_here(mlperf, ran, monkeypatch):
    monkeypatch.setenv("MLPERF_MACHINE", "/nowhere.json")
    assert mlperf("run", "-m", "system=auto").code == 2
    launched = []
    monkeypatch.setattr(sweep, "launch", lambda registry, words, folder: launched.append(words))
    answer = mlperf("run", "-m", "hydra/launcher=submitit_slurm", "builder.gpu_batch_size=1,2")
    assert "all but 2 of an unnamed system" in answer.err
    assert len(launched) == 1


def test_systems_of_the_user_in_a_sweep(mlperf, ran, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "box.yaml").write_text("# @package _global_\nsystem: {id: box, devices: [cpu]}\n")
    answer = mlperf("run", "-m", "--json", "--systems", str(folder), "system=box,generic_cpu")
    assert [one["system"] for one in answer.json] == ["box", "generic_cpu"]


def test_an_unknown_launcher_is_refused_and_leaves_nothing(mlperf, ran, tmp_path):
    answer = mlperf("run", "-m", "--json", "hydra/launcher=joblb")
    assert answer.code == 2
    assert answer.json["problems"][0]["path"] == "hydra/launcher"
    assert ran == []
    assert list(tmp_path.glob("build/logs/*")) == []


def test_an_interrupt_keeps_what_had_ended(mlperf, monkeypatch, ran, tmp_path):
    good = run_verb.run_point

    def point(job):
        if job.workload.builder.gpu_batch_size.only() == 2:
            raise KeyboardInterrupt
        return good(job)

    monkeypatch.setattr(run_verb, "run_point", point)
    answer = mlperf("run", "-m", "builder.gpu_batch_size=1,2,3")
    assert answer.code == 130
    (folder,) = (tmp_path / "build" / "logs").iterdir()
    assert "mlperf report" in answer.err
    report = Path(mlperf("report", str(folder)).out.strip())
    assert report.is_file()
    assert len(ran) == 1


def test_the_job_function_reaches_other_processes():
    assert pickle.loads(pickle.dumps(run_point)) is run_point


def test_a_launchers_process_finds_options_that_nobody_registered_there(checkout: Path, tmp_path):
    (tmp_path / "box.yaml").write_text("# @package _global_\nsystem: {id: box, devices: [cpu]}\n")
    program = (
        "from mlperf_registry.compose.source import RegistrySource\n"
        "source = RegistrySource(provider='main', path='mlperf://roots')\n"
        "print(source.is_config('system/box'), source.is_config('fields'), source.is_config('system/nowhere'))\n"
    )
    environ = {**os.environ, "MLPERF_SYSTEMS_PATH": str(tmp_path), "PYTHONPATH": str(checkout)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "True True False\n", done.stderr


def test_what_a_sweeper_is_told(result):
    def told(**changes):
        return headline_of(structure(RunResult, {**result, **changes}, canonical=True))

    latency = [{"name": "p90", "value": 5, "unit": "ns"}]
    assert told() == 1000.0
    assert told(valid=False) == 0.0
    assert told(valid=False, metrics=latency) == float("inf")
    assert told(metrics=latency) == 5
    assert told(metrics=[]) is None


def test_records_are_json(mlperf, ran, tmp_path):
    mlperf("run", "-m", "builder.gpu_batch_size=1,13")
    (folder,) = (tmp_path / "build" / "logs").iterdir()
    kept = [json.loads(path.read_text()) for path in sorted((folder / "points").iterdir())]
    assert [one["overrides"] for one in kept] == [["builder.gpu_batch_size=1"], ["builder.gpu_batch_size=13"]]
