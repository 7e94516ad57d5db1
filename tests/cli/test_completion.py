"""Completion: scripts for three shells, and candidates for every place of a command line."""

import shutil
import subprocess

import pytest

from mlperf_registry.cli.completion import candidates
from mlperf_registry.cli.list import filter_keys
from mlperf_registry.cli.verbs import LISTED, VERBS


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(mlperf, shell):
    answer = mlperf("completion", shell)
    assert answer.code == 0
    assert "mlperf completion candidates" in answer.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_sound(mlperf, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = mlperf("completion", shell).out
    assert subprocess.run([program, "-n"], input=script, text=True, capture_output=True).stderr == ""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("mlperf ", "run"),
        ("mlperf ex", "explain"),
        ("mlperf run --mu", "--multirun"),
        ("mlperf run scen", "scenario="),
        ("mlperf run scenario=s", "scenario=server"),
        ("mlperf run scenario=offline,si", "scenario=offline,singlestream"),
        ("mlperf run benchmark=resnet50 mode=", "mode=submission"),
        ("mlperf run loadgen.min_d", "loadgen.min_duration="),
        ("mlperf run loadgen.test_mode=", "loadgen.test_mode=AccuracyOnly"),
        ("mlperf run round=", "round=v6.1"),
        ("mlperf explain loadgen.min_d", "loadgen.min_duration"),
        ("mlperf list ", "cells"),
        ("mlperf list cells st", "state="),
        ("mlperf list cells state=t", "state=tuned"),
        ("mlperf list cells benchmark=res", "benchmark=resnet50-mini"),
        ("mlperf list systems id=L4x", "id=L4x8"),
        ("mlperf list rules round=", "round=v6.1"),
        ("mlperf list published system=L4", "system=L4x1_TRT"),
        ("mlperf list benchmarks harness=", "harness=present"),
        ("mlperf accuracy --benchmark llama3", "llama3.1-8b"),
        ("mlperf systems new mine --from L4x", "L4x8"),
        ("mlperf completion ", "zsh"),
    ],
)
def test_candidates(line, found):
    assert found in candidates(line)


LISTS = [(what, key) for what in LISTED if what != "cells" for key in filter_keys(what)]


@pytest.mark.parametrize(("what", "key"), LISTS)
def test_each_value_that_is_offered_for_a_filter_has_a_row(mlperf, what, key):
    for filter_ in candidates(f"mlperf list {what} {key}=")[:2]:
        also = ["metric=*"] if what == "published" and key != "metric" else []
        assert mlperf("list", what, filter_, *also, "--json").json, filter_


def test_cells_can_be_filtered_by_each_value_that_is_offered(mlperf):
    few = ["system=generic_cpu", "benchmark=resnet50-mini", "scenario=offline"]
    for key in filter_keys("cells"):
        others = [word for word in few if not word.startswith(f"{key}=")]
        for filter_ in candidates(f"mlperf list cells {key}=")[:2]:
            assert mlperf("list", "cells", *others, filter_, "--json").code == 0, filter_


@pytest.mark.parametrize(
    ("line", "not_offered"),
    [
        ("mlperf list published system=", "system=L4x1"),
        ("mlperf list published round=", "round=v6.1"),
        ("mlperf list benchmarks harness=", "harness=triton"),
        ("mlperf list cells system=", "system=auto"),
    ],
)
def test_what_is_an_option_elsewhere_is_no_value_of_a_filter(line, not_offered):
    assert candidates(line) and not_offered not in candidates(line)


@pytest.mark.parametrize(
    "line",
    [
        "mlperf report build/lo",
        "mlperf systems check systems/m",
        "mlperf diff build/lo",
        "mlperf run --build-dir b",
        "mlperf run --systems ",
        "mlperf accuracy --dataset-file ",
        "mlperf validate --published ",
    ],
)
def test_files_are_left_to_the_shell(line):
    assert candidates(line) == []


def test_bash_completes_files_where_nothing_of_ours_stands(mlperf, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    program = f"{mlperf('completion', 'bash').out}\ncomplete -p mlperf"
    done = subprocess.run([bash, "-c", program], text=True, capture_output=True)
    assert done.stdout == "complete -o default -F _mlperf mlperf\n", done.stderr


def test_candidates_begin_with_what_was_typed():
    assert candidates("mlperf run scenario=off") == ["scenario=offline"]
    assert candidates("mlperf bogus ") == []
    assert set(candidates("mlperf ")) == set(VERBS)


def test_bash_completes_after_the_equals_sign(mlperf, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    program = (
        f"{mlperf('completion', 'bash').out}\n"
        "mlperf() { printf 'scenario=server\\nscenario=singlestream\\n'; }\n"
        "COMP_LINE='mlperf run scenario=s' COMP_POINT=21\n_mlperf\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run([bash, "-c", program], text=True, capture_output=True)
    assert done.stdout.split() == ["server", "singlestream"]
