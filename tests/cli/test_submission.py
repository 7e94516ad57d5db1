"""What a submission lacks is said before anything is built, by every verb that looks at it."""

from pathlib import Path

import pytest

SUBMISSION = ("mode=submission", "category=edge")
RATE = "loadgen.offline_expected_qps=500"


@pytest.mark.parametrize(
    "command", [("run",), ("harness",), ("validate",), ("run", "--dry-run"), ("run", "-m"), ("run", "-m", "--dry-run")]
)
def test_a_missing_rate_is_refused_before_anything_is_made(mlperf, tmp_path, command):
    verb, *flags = command
    answer = mlperf(verb, *SUBMISSION, "--json", *flags)
    assert answer.code == 2
    assert [problem["path"] for problem in answer.json["problems"]] == ["loadgen.offline_expected_qps"]
    assert list(tmp_path.iterdir()) == []


def test_with_its_rate_it_is_legal(mlperf):
    assert mlperf("validate", *SUBMISSION, RATE).code == 0
    assert mlperf("run", "--dry-run", *SUBMISSION, RATE).code == 0


@pytest.mark.parametrize("flags", [(), ("-m",)])
def test_an_engine_needs_no_rate(mlperf, flags):
    assert mlperf("build", "--dry-run", *flags, *SUBMISSION).code == 0


def test_missing_data_is_said_before_the_engine_is_built(mlperf, monkeypatch, tmp_path):
    scratch = tmp_path / "scratch"
    model = Path(mlperf("run", "--cfg", "--json", "benchmark=resnet50").json["model"]["path"])
    (scratch / model.parent).mkdir(parents=True)
    (scratch / model).write_bytes(b"a model")
    monkeypatch.setenv("MLPERF_SCRATCH_PATH", str(scratch))
    answer = mlperf("run", "benchmark=resnet50", "--json")
    assert answer.code == 3
    assert "imagenet" in answer.json["error"]["message"].lower()
    assert not (tmp_path / "build").exists()
    assert "not ready" in mlperf("run", "--dry-run", "benchmark=resnet50").out
    assert "would be built" in mlperf("build", "--dry-run", "benchmark=resnet50").out


def test_everything_that_is_missing_is_said_at_once(mlperf, monkeypatch, tmp_path):
    monkeypatch.setenv("MLPERF_SCRATCH_PATH", str(tmp_path))
    answer = mlperf("run", "benchmark=resnet50")
    assert answer.code == 3
    assert "resnet50_v1.onnx" in answer.err and "val_map.txt" in answer.err


def test_the_submission_of_the_readme_states_its_rate(mlperf, checkout):
    lines = (checkout / "README.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("mlperf run") and "mode=submission" in line]
    words = line.partition("#")[0].split()[2:]
    answer = mlperf("validate", *words)
    assert answer.code == 0, answer.err
