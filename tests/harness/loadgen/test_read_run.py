"""run.json as the child reads it, and the command line by hand."""

from __future__ import annotations

import json
import subprocess
import sys

import attrs
import pytest
from case import make_run
from checkout import python_path

from harness.loadgen.child import read_run
from mlperf_registry.digest import config_digest
from mlperf_registry.schema.backends.onnxruntime import OnnxRuntimeOptions
from mlperf_registry.schema.problem import RunFailed
from mlperf_registry.structure import unstructure

OFFLINE = {"scenario": "Offline", "offline_expected_qps": 300.0}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write run.json of the simulated case, changed by a function."""

    def write(change=lambda tree: None):
        run = make_run({"folder": str(tmp_path), "test": "performance", "settings": OFFLINE})
        # No plug-in owns its backend, and the options of a read file must have an owner.
        backend = attrs.evolve(run.workload.backend, name="onnxruntime", options=OnnxRuntimeOptions())
        workload = attrs.evolve(run.workload, backend=backend)
        tree = unstructure(attrs.evolve(run, workload=workload, config_digest=config_digest(workload)))
        change(tree)
        path = tmp_path / "run.json"
        path.write_text(json.dumps(tree))
        return path

    return write


def test_what_was_written_is_read(written):
    run = read_run(written())
    assert run.workload.backend.name == "onnxruntime"
    assert run.tests["performance"].settings.offline_expected_qps == 300.0


@pytest.mark.parametrize("schema", [2, "1", None])
def test_another_form_is_refused_before_its_fields_are_looked_at(written, schema):
    path = written(lambda tree: tree.update(schema=schema, something_new=1))
    with pytest.raises(RunFailed, match=f"has the form {schema}, and this version reads 1"):
        read_run(path)


@pytest.mark.parametrize("content", ["[1]", "{", ""])
def test_what_is_no_run_is_refused(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(RunFailed, match=r"run\.json"):
        read_run(path)


def test_a_workload_that_was_changed_is_refused(written):
    path = written(lambda tree: tree["workload"]["runtime"].update(warmup_duration=5))
    with pytest.raises(RunFailed, match="config_digest"):
        read_run(path)


@pytest.mark.parametrize(("program", "more"), [("child", ["performance"]), ("probe", [])])
def test_by_hand_events_are_seen_on_stderr(written, program, more):
    path = written(lambda tree: tree.update(schema=2))
    command = [sys.executable, "-m", f"harness.loadgen.{program}", path, *more]
    done = subprocess.run(command, env=python_path(), capture_output=True, text=True)
    assert done.returncode == 1
    event = json.loads(done.stderr.splitlines()[0])
    assert (event["event"], event["kind"]) == ("error", "RunFailed")
