"""``mlperf build --inspect`` and ``mlperf calibrate``, with real engines of TensorRT for RTX."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlperf_registry.cli.inspect import show_inspection
from mlperf_registry.schema.engine import Engine, Inspection, Layer

RTX = ("backend=tensorrt_rtx", "builder.compute_capability=8.6", "builder.gpu_batch_size=8")


@pytest.fixture(autouse=True)
def cache_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_an_engine_layer_by_layer(mlperf, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="plans are built with tensorrt-rtx-cu13")
    words = ("build", *RTX, "--inspect", "--build-dir", str(tmp_path))
    shown = mlperf(*words)
    assert shown.code == 0 and "conv1" in shown.out and "Device memory:" in shown.out
    found = json.loads(mlperf(*words, "--json").out)
    assert found["engine"]["reused"] and found["activation_bytes"] > 0
    assert any("conv1" in layer["made_of"] for layer in found["layers"])


def test_memory_that_the_library_does_not_tell_is_said_to_be_absent(monkeypatch, capsys):
    found = Inspection(layers=(Layer(name="conv1", kind="Convolution"),), activation_bytes=3 << 20)
    monkeypatch.setattr("harness.backends.tensorrt.inspection.read_inspection", lambda engine: found)
    engine = Engine(key="k", path="/engines/k", file="engine.plan", sha256="", reused=True, why="")
    show_inspection(engine, "tensorrt", as_json=False)
    assert "3.0 MiB for execution context, weights not said by the library" in capsys.readouterr().out


def test_only_engines_that_say_what_they_are(mlperf, tmp_path):
    answer = mlperf("build", "--inspect", "--build-dir", str(tmp_path))
    assert answer.code == 2 and "backend: is onnxruntime, whose engines cannot be looked into" in answer.err
    assert "Not a submission" not in answer.err  # it is the first that is said
    assert not (tmp_path / "engines").exists()  # nobody waits for an engine that cannot be shown
    assert mlperf("build", "--inspect", "-m", "builder.gpu_batch_size=8,16").code == 2


def test_calibrating(mlperf, tmp_path):
    answer = mlperf("calibrate", *RTX, "builder.calib_max_batches=2", "--json")
    assert answer.code == 0
    path = json.loads(answer.out)["path"]
    assert path.startswith(str(tmp_path))
    assert mlperf("calibrate").code == 2
    answer = mlperf("calibrate", *RTX, "builder.calib_data_map=/nowhere")
    assert answer.code == 2 and "builder.calib_data_map: names a list" in answer.err


def test_a_plan_whose_layers_are_damaged_is_built_again_before_it_is_shown(mlperf, tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="plans are built with tensorrt-rtx-cu13")
    words = ("build", *RTX, "--inspect", "--build-dir", str(tmp_path), "--json")
    home = Path(mlperf(*words).json["engine"]["path"])
    (home / "layers.json").write_text("{")
    (home / "plan.json").unlink()
    again = mlperf(*words)
    assert again.code == 0 and not again.json["engine"]["reused"]
    assert mlperf(*words).json["engine"]["reused"]
