"""The builder: real plans of TensorRT for RTX, what is in them, and what each refusal says."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import onnx
import pytest

from harness.backends.tensorrt.builder import TensorRTBuilder
from harness.backends.tensorrt.inspection import read_inspection
from harness.backends.tensorrt.plan import open_plan
from mlperf_registry.roots import package_file
from mlperf_registry.schema.problem import ConfigError, NotReady, RunFailed
from tests.harness.backends.tensorrt.mini_network import MINI, make_recipe

INT8 = {"builder__precision": "int8"}


def convolutions(engine):
    return [layer for layer in read_inspection(engine).layers if layer.kind.startswith("convolution")]


def test_a_plan_says_what_it_takes_and_gives(build):
    _, record = build()
    (image,), (label,) = record.inputs, record.outputs
    assert (image.name, image.dtype, image.shape, image.scale) == ("input", "float32", (1, 28, 28), None)
    assert (label.name, label.dtype, label.shape) == ("label", "int32", ())
    assert (record.max_batch, record.static_batch, record.profiles) == (64, False, 1)
    assert record.device == "compute capability 8.6"


def test_a_profile_for_each_inference_stream(build):
    assert build(runtime__gpu_inference_streams=3)[1].profiles == 3


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "float"), ("fp16", "half"), ("bf16", "bf16")])
def test_convolutions_run_in_the_precision_that_is_asked_for(build, precision, kind):
    engine, _ = build(builder__precision=precision)
    found = convolutions(engine)
    assert len(found) == 8
    for layer in found:
        assert all(form == f"{kind} NHWC" for form in (*layer.inputs, *layer.outputs))
        assert "relu" in layer.kind and any(name.startswith("relu") for name in layer.made_of)
    assert sum("accu" in layer.kind for layer in found) == 2  # residual sums are added by the convolution's kernel


def test_int8_convolutions_read_int8(build):
    engine, record = build(**INT8)
    found = convolutions(engine)
    assert len(found) == 8 and all(layer.inputs == ("int8 NHWC",) for layer in found)
    assert record.inputs[0].dtype == "float32"


@pytest.mark.parametrize("layout", ["linear", "chw4"])
def test_an_int8_input_has_the_scale_of_the_calibration_cache(build, layout):
    _, record = build(**INT8, builder__input_dtype="int8", builder__input_format=layout)
    (image,) = record.inputs
    assert (image.dtype, image.format) == ("int8", layout)
    assert image.scale == pytest.approx(2.02 / 127, rel=0.01)  # the largest pixel of the calibration set


def test_static_batches_and_fp16_inputs(build):
    _, record = build(builder__static_batch=True, builder__input_dtype="fp16")
    assert record.static_batch and record.inputs[0].dtype == "float16"


@pytest.mark.parametrize("streams", [None, 1, 3])
def test_room_is_the_models_and_a_mebibyte_for_each_inference_stream(streams):
    recipe = make_recipe(MINI, None, runtime__gpu_inference_streams=streams)
    assert TensorRTBuilder().room(recipe, 1000) == 1000 + ((streams or 1) << 20)


def test_progress_is_told(build):
    told = []
    build(report=told.append)
    assert told[0] == "reading the network" and "building" in told


def test_a_file_that_is_no_network_is_a_sentence(build, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(RunFailed, match=r"broken\.onnx is no ONNX network"):
        build(broken)


def test_a_node_that_does_not_parse_is_named(build, tmp_path):
    model = onnx.load(str(package_file("package:harness/benchmarks/resnet50/mini/model.onnx")))
    node = next(node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    node.op_type, node.name = "NoSuchOperator", "strange"
    path = tmp_path / "strange.onnx"
    onnx.save(model, path)
    with pytest.raises(RunFailed, match=r"does not parse .*strange"):
        build(path)


def test_a_cache_of_another_network_is_refused(build, tmp_path):
    cache = tmp_path / "other.cache"
    cache.write_text("TRT-8600-EntropyCalibration2\nsomething: 3c010a14\n")
    with pytest.raises(ConfigError, match=r"cache of another network: it lacks input, .* and has something"):
        build(cache=cache, **INT8)


def test_int8_without_a_cache_is_not_ready(build):
    with pytest.raises(NotReady, match="mlperf calibrate"):
        build(cache=None, **INT8)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"builder__compute_capability": 9.0}, "builder.compute_capability"),
        ({"builder__input_dtype": "int8"}, "builder.input_dtype"),
        ({"builder__input_format": "chw32"}, "builder.input_format"),
        ({"builder__tactic_sources": ["cudnn"]}, "builder.tactic_sources"),
        ({"builder__precision": "fp8"}, "builder.precision"),
        ({"builder__version_compatible": True}, "builder.version_compatible"),
        ({"builder__gpu_batch_size": None}, "builder.gpu_batch_size"),
        ({"builder__dla_core": 0, "builder__dla_batch_size": 8}, "builder.dla_core"),
        ({"model__output_name": "nothing"}, "model.output_name"),
    ],
)
def test_what_is_not_built_names_its_field(build, changes, path):
    with pytest.raises(ConfigError) as refusal:
        build(**changes)
    assert [problem.path for problem in refusal.value.problems] == [path]


def test_a_workspace_that_no_kernel_keeps_to_names_its_field(build):
    with pytest.raises(
        RunFailed, match=r"built no engine: .*builder\.workspace_size of 1\.0 KiB is too small: raise it"
    ):
        build(builder__workspace_size=1024)


def test_what_the_child_tells_reaches_whom_it_is_for():
    told, reports = [], []
    events = [{"event": "report", "message": "building"}, {"event": "tell", "message": "No effect."}]
    events.append({"event": "error", "kind": "RunFailed", "message": "It failed."})
    child = SimpleNamespace(stdout=[json.dumps(event).encode() for event in events])
    assert TensorRTBuilder(reports.append, told.append)._follow(child)["message"] == "It failed."
    assert (reports, told) == (["building"], ["No effect."])


def test_a_builder_that_crashes_is_a_sentence(build, monkeypatch, tmp_path):
    monkeypatch.setattr("harness.backends.tensorrt.builder._MODULE", "harness.no_such_module")
    with pytest.raises(RunFailed, match=r"ended with exit code 1 and no engine.*no_such_module"):
        build()


def test_a_plan_without_a_gpu_is_not_ready(build):
    from harness.backends.tensorrt.gpu import require_gpu
    from harness.backends.tensorrt.library import open_library

    try:
        require_gpu()
    except NotReady:
        engine, _ = build()
        with pytest.raises(NotReady):
            open_plan(engine, open_library("tensorrt_rtx", on_gpu=False))
    else:
        pytest.skip("this machine has a GPU")


def test_who_asks_for_its_version_waits_for_nothing():
    code = (
        "import sys, harness.backends.tensorrt.builder as b; b.TensorRTBuilder.version; "
        "sys.exit(bool({'numpy', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
