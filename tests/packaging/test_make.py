"""The Makefile: what it installs, when, and what it says where it cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on PATH")


@pytest.fixture
def folder(checkout, tmp_path):
    """The Makefile and what its stamps depend on."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(checkout / name, tmp_path)
    return tmp_path


@pytest.fixture
def installed(folder):
    """As if everything had been installed a minute ago."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("bin/python", ".installed", ".installed-test"):
        (folder / ".venv" / name).touch()
    past = time.time() - 60
    os.utime(folder / "pyproject.toml", (past, past))
    return folder


def test_run_hands_on_its_arguments_and_installs_nothing_twice(installed):
    assert make(installed, "-n", "run", "RUN_ARGS=scenario=server -m").stdout.splitlines() == [
        ".venv/bin/mlperf run scenario=server -m"
    ]
    assert "pip install" not in make(installed, "-n", "test").stdout


def test_a_changed_pyproject_is_installed_again(installed):
    later = time.time() + 60
    os.utime(installed / "pyproject.toml", (later, later))
    assert "--editable ." in make(installed, "-n", "run").stdout
    assert '--editable ".[test]"' in make(installed, "-n", "test").stdout


def test_without_a_python_that_fits_it_says_which_one_to_get(folder):
    (folder / "old").write_text("#!/bin/sh\nexit 1\n")
    (folder / "old").chmod(0o755)
    done = make(folder, "run", "PYTHON=./old no-such-python")
    assert done.returncode != 0
    assert "None of './old no-such-python' is Python 3.10 to 3.13" in done.stderr
    assert "python3-venv" in done.stderr
    assert not (folder / ".venv").exists()


def test_every_target_is_explained(folder):
    shown = make(folder).stdout
    for target in ("run", "test", "test-all", "bench", "bench-check", "clean"):
        assert f"  make {target} " in shown


@pytest.mark.slow
def test_a_fresh_copy_runs_the_default_benchmark(checkout, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy, ignore=shutil.ignore_patterns(".*", "build", "dist", "__pycache__"))
    done = make(copy, "run", "RUN_ARGS=loadgen.test_mode=AccuracyOnly --json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["benchmark"], result["accuracy"]["passed"]) == ("resnet50-mini", True)


def make(folder, *arguments):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=environ, capture_output=True, text=True)
