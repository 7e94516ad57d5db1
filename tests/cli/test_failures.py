"""Whatever goes wrong is answered with a sentence and the right exit code, in JSON too."""

import pytest

from mlperf_registry.cli import run as run_verb
from mlperf_registry.schema.problem import NotReady, RunFailed


@pytest.fixture
def failing(monkeypatch):
    """Makes ``mlperf run`` fail with an exception."""

    def fail_with(error: BaseException) -> None:
        def point(job):
            raise error

        monkeypatch.setattr(run_verb, "run_point", point)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [(NotReady("The model is missing."), 3, "NotReady"), (RunFailed("The child crashed."), 1, "RunFailed")],
)
def test_failures_of_the_environment_and_of_runs(mlperf, failing, error, code, kind):
    failing(error)
    answer = mlperf("run", "--json")
    assert answer.code == code
    assert answer.json == {"error": {"kind": kind, "message": str(error)}}
    assert str(error) in answer.err


def test_an_interrupt(mlperf, failing):
    failing(KeyboardInterrupt())
    answer = mlperf("run", "--json")
    assert answer.code == 130
    assert answer.json["error"]["kind"] == "Interrupted"
    assert "Traceback" not in answer.err


def test_the_unexpected_leaves_its_traceback_in_a_file(mlperf, failing, tmp_path):
    failing(ZeroDivisionError("division by zero"))
    answer = mlperf("run", "--json", "--build-dir", "mine")
    assert answer.code == 1
    assert answer.json["error"]["kind"] == "Unexpected"
    assert "Traceback" not in answer.err
    (path,) = (tmp_path / "mine" / "logs").glob("traceback-*.txt")
    assert str(path.relative_to(tmp_path)) in answer.err
    assert "ZeroDivisionError" in path.read_text()


def test_the_unexpected_can_be_shown(mlperf, failing, monkeypatch):
    failing(ZeroDivisionError("division by zero"))
    monkeypatch.setenv("MLPERF_TRACEBACK", "1")
    assert "Traceback" in mlperf("run").err


def test_a_missing_module_is_no_riddle(mlperf, failing):
    failing(ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime"))
    answer = mlperf("run")
    assert answer.code == 3
    assert "onnxruntime" in answer.err


def test_a_harness_that_only_published_results_have_is_not_run_in_another_s_name(mlperf):
    words = ("benchmark=resnet50", "harness=triton", "model.weights=random", "loadgen.min_duration=2s")
    answer = mlperf("run", "--json", *words)
    assert answer.code == 3
    assert answer.json["error"]["message"].startswith("This version has no harness triton: ")
    assert "Choose harness=native." in answer.err


def test_a_benchmark_without_code_says_so_before_it_asks_for_a_model(mlperf):
    answer = mlperf("run", "benchmark=bert")
    assert answer.code == 3
    said = answer.err.splitlines()[-1]
    assert said.startswith("This version has no harness for benchmarks of the family bert")
    assert "MLPERF_SCRATCH_PATH" not in answer.err
