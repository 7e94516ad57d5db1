"""The mini's accuracy through LoadGen against a script that shares no line with this package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlperf_registry.roots import resolve_path

SCRIPT = Path(__file__).parent / "independent_top1.py"
MINI = resolve_path("package:harness/benchmarks/resnet50/mini", None, source="the package")


def independent(*arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, MINI, *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def classes() -> list[int]:
    done = independent()
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.splitlines()]


def write_log(path: Path, classes: list[int]) -> Path:
    entries = [
        {"seq_id": seq, "qsl_idx": index, "data": value.to_bytes(8, "little").hex().upper()}
        for seq, (index, value) in enumerate(reversed(list(enumerate(classes))))
    ]
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.slow
def test_the_script_tells_equal_from_different(classes: list[int], tmp_path: Path) -> None:
    assert independent(write_log(tmp_path / "equal.json", classes)).returncode == 0
    changed = [*classes[:-1], (classes[-1] + 1) % 10]
    assert independent(write_log(tmp_path / "one.json", changed)).returncode == 1
    assert independent(write_log(tmp_path / "short.json", classes[:-1])).returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [("scenario=offline",), ("scenario=server", "loadgen.accuracy_server_target_qps=2000")],
    ids=["offline", "server"],
)
def test_loadgen_logs_the_same_classes(words: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mlperf_registry", "run", "--json", "--build-dir", tmp_path),
            *("benchmark=resnet50-mini", "backend=onnxruntime", "loadgen.test_mode=AccuracyOnly", *words),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["accuracy"]["value"] >= 90
    compared = independent(Path(result["log_dir"]) / "accuracy" / "mlperf_log_accuracy.json")
    assert compared.returncode == 0, compared.stdout
