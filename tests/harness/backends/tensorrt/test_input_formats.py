"""builder.input_dtype: an engine's input has the number format that is asked for, or the build says why not."""

from __future__ import annotations

import struct

import onnx
import pytest
from onnx import TensorProto, helper

from harness.backends.tensorrt import graph, qdq
from harness.backends.tensorrt.calibration import read_cache
from harness.backends.tensorrt.inspection import read_inspection
from mlperf_registry.schema.problem import ConfigError
from tests.harness.backends.tensorrt.mini_network import MINI, MINI_CACHE

HALF = {"builder__input_dtype": "fp16"}


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "float"), ("fp16", "half"), ("bf16", "bf16")])
def test_fp16_inputs_go_with_every_precision(build, precision, kind):
    engine, record = build(builder__precision=precision, **HALF)
    assert record.inputs[0].dtype == "float16"
    found = [layer for layer in read_inspection(engine).layers if layer.kind.startswith("convolution")]
    assert len(found) == 8 and all(layer.outputs == (f"{kind} NHWC",) for layer in found)


@pytest.mark.parametrize("by_graph", [False, True], ids=["by calibration", "by the graph"])
def test_fp16_inputs_go_with_int8(build, tmp_path, by_graph):
    path = MINI
    if by_graph:
        path = tmp_path / "quantised.onnx"
        onnx.save(qdq.quantise(graph.load(MINI), read_cache(str(MINI_CACHE)).scales, int8_input=False), path)
    _, record = build(path, builder__precision="int8", **HALF)
    assert record.inputs[0].dtype == "float16"


def network_of(folder, **inputs):
    """A network that adds up its inputs, of ONNX's formats, in float; returns its path."""
    nodes = [helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT) for name in inputs]
    nodes.append(helper.make_node("Sum", [f"{name}_float" for name in inputs], ["label"]))
    made = helper.make_graph(
        nodes,
        "sum",
        [helper.make_tensor_value_info(name, kind, ["N", 4]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["N", 4])],
    )
    path = folder / "sum.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        (TensorProto.INT32, "fp16", r"is fp16, and the network takes image in int32 \(builder\.input_dtype=int32\)"),
        (TensorProto.INT32, "int64", r"is int64, and the network takes image in int32 \(builder\.input_dtype=int32\)"),
        (TensorProto.BOOL, "int32", r"is int32, and the network takes image in bool \(leave it out\)"),
        (TensorProto.FLOAT, "int32", r"is int32, and the network takes image in fp32 \(builder\.input_dtype=fp32\)"),
        (TensorProto.FLOAT16, "fp32", r"is fp32, and the network takes image in fp16 \(builder\.input_dtype=fp16\)"),
    ],
)
def test_an_input_of_another_format_is_refused(build, tmp_path, kind, asked, said):
    with pytest.raises(ConfigError, match=said) as refusal:
        build(network_of(tmp_path, image=kind), builder__precision="fp32", builder__input_dtype=asked)
    assert [problem.path for problem in refusal.value.problems] == ["builder.input_dtype"]


@pytest.mark.parametrize(
    ("kind", "asked"), [(TensorProto.INT32, "int32"), (TensorProto.INT64, "int64"), (TensorProto.UINT8, "uint8")]
)
def test_integers_are_taken_where_the_network_has_them(build, tmp_path, kind, asked):
    _, record = build(network_of(tmp_path, image=kind), builder__precision="fp32", builder__input_dtype=asked)
    assert record.inputs[0].dtype == asked


def test_an_input_in_bf16_is_named_since_no_sample_has_it(build, tmp_path):
    with pytest.raises(ConfigError, match=r"model\.path: has image in bf16, which samples and answers cannot have"):
        build(network_of(tmp_path, image=TensorProto.BFLOAT16), builder__precision="fp32")


def test_indices_beside_real_numbers_stay_as_they_are(build, tmp_path):
    path = network_of(tmp_path, image=TensorProto.FLOAT, ids=TensorProto.INT32)
    _, record = build(path, builder__precision="fp32", **HALF)
    assert {tensor.name: tensor.dtype for tensor in record.inputs} == {"image": "float16", "ids": "int32"}


def test_an_int8_input_without_a_range_is_refused(build, tmp_path):
    cache = tmp_path / "model.cache"
    lines = MINI_CACHE.read_text().splitlines()
    cache.write_text("\n".join("input: 0" if line.startswith("input:") else line for line in lines))
    with pytest.raises(ConfigError, match=r"int8, and the calibration cache has no range for input .*mlperf calibrate"):
        build(cache=cache, builder__precision="int8", builder__input_dtype="int8")


def test_the_scale_of_an_int8_input_is_the_one_that_the_network_has(build, tmp_path):
    cache = tmp_path / "model.cache"
    lines = MINI_CACHE.read_text().splitlines()
    tiny = f"input: {struct.pack('>f', 2**-30).hex()}"
    cache.write_text("\n".join(tiny if line.startswith("input:") else line for line in lines))
    _, record = build(cache=cache, builder__precision="int8", builder__input_dtype="int8")
    assert record.inputs[0].scale == 2**-14  # the least that fp16, in which the network has it, holds in full


def test_integers_that_the_network_itself_takes_have_no_scale(build, tmp_path):
    cache = tmp_path / "model.cache"
    cache.write_text("TRT-8600-EntropyCalibration2\nimage_float: 3c010a14\nlabel: 3c010a14\n")
    _, record = build(network_of(tmp_path, image=TensorProto.INT8), cache, builder__precision="int8")
    assert [(tensor.dtype, tensor.scale) for tensor in record.inputs] == [("int8", None)]
