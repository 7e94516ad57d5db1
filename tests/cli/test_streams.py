"""Streams: who reads a pipe, a closed stream or a letter that it cannot write changes neither exit code nor JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_registry.cli import run as run_verb
from mlperf_registry.cli.main import main
from mlperf_registry.schema.result import RunResult
from mlperf_registry.structure import structure

ROOT = Path(__file__).parents[2]


@pytest.fixture
def deaf(monkeypatch):
    """Makes stdout, or another stream, a pipe that nobody reads."""
    opened = []

    def make(name: str = "stdout") -> None:
        ours, theirs = os.pipe()
        os.close(ours)
        opened.append(os.fdopen(theirs, "w"))
        monkeypatch.setattr(sys, name, opened[-1])

    yield make
    for stream in opened:
        stream.close()


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["table", "json"])
@pytest.mark.parametrize(("valid", "code"), [(True, 0), (False, 1)])
def test_the_result_decides_the_exit_code_and_not_its_reader(deaf, monkeypatch, tmp_path, result, valid, code, flags):
    monkeypatch.chdir(tmp_path)
    outcome = structure(RunResult, {**result, "valid": valid}, canonical=True)
    monkeypatch.setattr(run_verb, "run_point", lambda job: outcome)
    deaf()
    assert main(["run", *flags]) == code


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_failure_that_nobody_reads_of_keeps_its_code(deaf, monkeypatch, tmp_path, stream):
    monkeypatch.chdir(tmp_path)
    deaf(stream)
    assert main(["validate", "--json", "scenario=ofline"]) == 2


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    mlperf = f"{sys.executable} -m mlperf_registry"
    return subprocess.run(
        ["bash", "-c", command.replace("mlperf", mlperf, 1)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_keeps_its_code_too(tmp_path):
    told = shell("mlperf list systems | true; echo ${PIPESTATUS[0]}", tmp_path)
    assert told.stdout == "0\n"
    assert told.stderr == ""


def test_with_stderr_closed_only_the_document_is_on_stdout(tmp_path):
    told = shell("mlperf validate --json 2>&-", tmp_path)
    assert told.returncode == 0
    assert json.loads(told.stdout)["cells"] == 1


def test_with_stdout_closed_the_code_stays(tmp_path):
    assert shell("mlperf validate >&-", tmp_path).returncode == 0
    assert shell("mlperf validate scenario=ofline >&- 2>&-", tmp_path).returncode == 2


def test_letters_that_stdout_cannot_write(tmp_path):
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    told = shell("mlperf validate --json 'scenario=öfline'", tmp_path, **ascii_only)
    assert told.returncode == 2
    assert "öfline" in json.loads(told.stdout)["problems"][0]["path"]
    assert "Traceback" not in told.stderr


def test_a_full_disk_is_a_sentence(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    told = shell("mlperf list systems > /dev/full", tmp_path)
    assert told.returncode == 3
    assert told.stderr == "What was to be printed cannot be written: No space left on device. Make room there.\n"


def test_a_working_directory_that_is_gone_is_a_sentence(tmp_path):
    told = shell("mkdir gone && cd gone && rmdir ../gone && mlperf validate", tmp_path)
    assert told.returncode == 3
    assert "working directory" in told.stderr
    assert "This should not happen" not in told.stderr
