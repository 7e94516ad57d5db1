"""Help appears at once, says what can be done, and costs no import of what it does not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_registry.cli.verbs import LISTED, VERBS

HEAVY = ("hydra", "omegaconf", "onnxruntime", "onnx", "mlperf_loadgen", "numpy", "rich")


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_overview_names_every_verb_the_axes_the_results_and_the_exit_codes(mlperf, words):
    answer = mlperf(*words)
    assert answer.code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in answer.out
    for word in ("scenario", "k_99_9", "build/logs", "130", "mlperf list benchmarks"):
        assert word in answer.out
    assert answer.out.index("Examples") < answer.out.index("Verbs")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_examples_and_its_flags(mlperf, verb):
    answer = mlperf(verb, "--help")
    assert answer.code == 0
    assert "Examples" in answer.out
    assert f"mlperf {VERBS[verb].examples[0][0]}" in answer.out
    for flag in VERBS[verb].flags:
        assert flag.name in answer.out


def test_help_as_a_word(mlperf):
    assert mlperf("help", "run").out == mlperf("run", "--help").out


@pytest.mark.parametrize("example", [command for verb in ("run", "build") for command, _ in VERBS[verb].examples])
def test_examples_of_help_compose(mlperf, example):
    words = example.split()
    if "mode=submission" in words:
        assert mlperf(*words).code == 2
    else:
        assert mlperf(*words, "--dry-run").code in (0, 3)  # 3: what it names is not installed here


def test_version(mlperf):
    assert mlperf("--version").out.startswith("mlperf ")


def test_every_listing_is_in_help(mlperf):
    out = mlperf("list", "--help").out
    assert all(name in out for name in LISTED)


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], (*HEAVY, "yaml")),
        (["run", "--help"], (*HEAVY, "yaml")),
        (["list", "systems"], HEAVY),
        (["list", "cells", "system=L4x1", "state=tuned"], HEAVY),
        (["list", "rules"], HEAVY),
        (["validate", "--all", "system=L4x1", "benchmark=resnet50"], HEAVY),
        (["list", "published", "benchmark=resnet50"], HEAVY),
        (["completion", "candidates", "mlperf run scenario="], HEAVY),
        (["explain", "loadgen.offline_expected_qps"], ("onnxruntime", "onnx", "mlperf_loadgen", "numpy", "rich")),
    ],
)
def test_a_command_imports_nothing_heavy_that_it_does_not_need(checkout: Path, words, absent):
    program = (
        "import sys, json\n"
        "from mlperf_registry.cli.main import main\n"
        f"code = main({words!r})\n"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert not set(absent) & set(modules)


def test_an_engine_that_is_there_is_found_without_what_builds_and_runs_one(checkout: Path, tmp_path: Path):
    program = (
        "import sys\n"
        "from mlperf_registry.cli.main import main\n"
        f"code = main(['build', 'system=generic_cpu', '--build-dir', {str(tmp_path)!r}])\n"
        "print(code, *sys.modules)\n"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    code, *modules = done.stdout.splitlines()[-1].split()
    assert code == "0" and "reused" in done.stderr
    assert not {"numpy", "onnx", "onnxruntime", "hydra", "rich"} & set(modules)
    assert not {f"mlperf_registry.{name}" for name in ("execute.job", "cli.auto", "detect.machine")} & set(modules)


def test_as_a_module(checkout: Path):
    done = subprocess.run(
        [sys.executable, "-m", "mlperf_registry", "--version"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("mlperf ")


def test_a_reader_that_leaves_early_is_no_failure(checkout: Path):
    command = f"'{sys.executable}' -m mlperf_registry list cells system=L4x1 | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert "BrokenPipe" not in done.stderr
