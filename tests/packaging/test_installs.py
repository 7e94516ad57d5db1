"""Each way to install: the configuration is found, and commands work from another working directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

WHERE = "from mlperf_registry import roots; print(roots.__file__, roots.conf_root())"


@pytest.fixture(scope="module")
def copy(checkout, tmp_path_factory):
    """A copy of the checkout, which tests may change."""
    folder = tmp_path_factory.mktemp("copy") / "mlperf"
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".*", "build", "dist", "__pycache__"))
    return folder


@pytest.fixture(scope="module")
def from_wheel(make_environment, distributions):
    environment = make_environment()
    environment.install(distributions.wheel)
    return environment


@pytest.fixture(scope="module")
def from_sdist(make_environment, distributions):
    environment = make_environment()
    environment.install(distributions.sdist)
    return environment


@pytest.fixture(scope="module")
def editable(make_environment, copy):
    environment = make_environment()
    environment.install("--editable", copy)
    return environment


@pytest.fixture(params=["from_wheel", "from_sdist", "editable"])
def installed(request):
    """Each of the three in turn."""
    return request.getfixturevalue(request.param)


def test_an_installed_package_carries_its_configuration(from_wheel, from_sdist):
    for environment in (from_wheel, from_sdist):
        package, conf = environment.run("python", "-c", WHERE).split()
        assert package.startswith(str(environment.folder))
        assert conf == package.replace("roots.py", "conf")


def test_an_editable_install_reads_the_checkout_and_no_stale_copy(editable, copy):
    option = copy / "conf" / "system" / "added_later.yaml"
    option.write_text("# @package _global_\nsystem: {id: added_later, devices: [cpu]}\n")
    try:
        assert editable.run("python", "-c", WHERE).split() == [
            str(copy / "mlperf_registry" / "roots.py"),
            str(copy / "conf"),
        ]
        assert "added_later" in _ids(editable.run("mlperf", "list", "systems", "--json"))
    finally:
        option.unlink()


def test_commands_work_from_another_directory(installed, tmp_path):
    assert "mlperf run" in installed.run("mlperf", "--help", cwd=tmp_path)
    assert "generic_cpu" in _ids(installed.run("mlperf", "list", "systems", "--json", cwd=tmp_path))
    explain = ("python", "-m", "mlperf_registry", "explain", "loadgen.min_duration", "--json")
    _check_explained(installed.run(*explain, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def bare(make_environment, copy):
    """The command line of a checkout on PYTHONPATH, where nothing is installed but the dependencies."""
    environment = make_environment()

    def python(*arguments, cwd):
        return environment.run("python", *arguments, cwd=cwd, env={"PYTHONPATH": str(copy)})

    return python


def test_a_bare_checkout_needs_no_install(bare, copy, tmp_path):
    assert bare("-c", WHERE, cwd=tmp_path).split()[1] == str(copy / "conf")
    assert "generic_cpu" in _ids(bare("-m", "mlperf_registry", "list", "systems", "--json", cwd=tmp_path))
    _check_explained(bare("-m", "mlperf_registry", "explain", "loadgen.min_duration", "--json", cwd=tmp_path))


@pytest.mark.slow
def test_a_bare_checkout_runs_loadgen(bare, tmp_path):
    shown = bare("-m", "mlperf_registry", "run", "loadgen.test_mode=AccuracyOnly", "--json", cwd=tmp_path)
    assert json.loads(shown)["accuracy"]["passed"] is True


@pytest.mark.slow
def test_a_wheel_brings_all_that_it_needs(distributions, tmp_path):
    """The one test that downloads: an empty environment, and dependencies as a user's pip resolves them."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def call(*command):
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    call(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", "--no-input", distributions.wheel)
    call(python, "-m", "pip", "check")
    shown = call(tmp_path / "venv" / "bin" / "mlperf", "run", "loadgen.test_mode=AccuracyOnly", "--json")
    result = json.loads(shown)
    assert (result["benchmark"], result["accuracy"]["passed"]) == ("resnet50-mini", True)


def _ids(document):
    return {row["id"] for row in json.loads(document)}


def _check_explained(document):
    explained = json.loads(document)
    assert explained["path"] == "loadgen.min_duration"
    assert (explained["value"], explained["unit"]) == (10_000, "ms")
    last = explained["chain"][-1]
    assert last["origin"].endswith("conf/mode/explore.yaml") and last["line"] >= 1
