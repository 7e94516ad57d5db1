"""Networks that say themselves where to quantise, as ONNX Runtime's quantiser makes them: built, or refused."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

from harness.backends.tensorrt import graph, qdq
from harness.backends.tensorrt.inspection import read_inspection
from mlperf_registry.schema.problem import ConfigError

SHAPE = (3, 16, 16)
SYMMETRIC = {"extra_options": {"ActivationSymmetric": True}}
FP8 = QuantType.QFLOAT8E4M3FN
KINDS = {
    "int8": SYMMETRIC,
    "int8 by channel": {"per_channel": True, **SYMMETRIC},
    "fp8": {"activation_type": FP8, "weight_type": FP8, "calibrate_method": CalibrationMethod.Distribution},
    "shifted": {},
}


def small_network() -> onnx.ModelProto:
    """Two convolutions with a residual sum, and a matrix product; opset 19, the first with fp8."""
    random = np.random.default_rng(0)
    shapes = {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 16, 3, 3), "b2": (16,), "w3": (16, 10), "b3": (10,)}
    weights = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32) * np.float32(0.2), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], pads=[1] * 4, name="conv1"),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1] * 4, name="conv2"),
        helper.make_node("Add", ["c2", "r1"], ["sum"], name="add"),
        helper.make_node("Relu", ["sum"], ["r2"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["scores"], name="fc"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *SHAPE])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])
    made = helper.make_graph(nodes, "small", [image], [scores], weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((4, *SHAPE)).astype(np.float32)


class Samples(CalibrationDataReader):
    def __init__(self):
        self._left = [{"image": images(1)}, {"image": images(2)}]

    def get_next(self):
        return self._left.pop() if self._left else None


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    paths = {kind: folder / f"{kind}.onnx" for kind in KINDS}
    onnx.save(small_network(), folder / "float.onnx")
    for kind, options in KINDS.items():
        quantize_static(folder / "float.onnx", paths[kind], Samples(), **options)
    paths["NVIDIA's fp8"] = folder / "own.onnx"
    onnx.save(in_nvidias_operators(onnx.load(paths["fp8"])), paths["NVIDIA's fp8"])
    return paths


def in_nvidias_operators(model: onnx.ModelProto, kind="FP8") -> onnx.ModelProto:
    """The network as NVIDIA's exporters write it: quantisers of their own domain, without zero points."""
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.op_type, node.domain = f"TRT_{kind}{node.op_type}", "trt"
            del node.input[2:]
            del node.attribute[:]
    model.opset_import.append(helper.make_opsetid("trt", 1))
    return model


@pytest.mark.parametrize(
    ("operators", "formats"),
    [
        (["TRT_FP8QuantizeLinear", "TRT_FP8DequantizeLinear"], ("fp8",)),
        (["TRT_MXFP8DynamicQuantize", "TRT_MXFP8DequantizeLinear"], ("fp8",)),
        (["TRT_FP4DynamicQuantize"], ("fp4",)),
        (["TRT_INT4DequantizeLinear"], ()),
    ],
)
def test_nvidias_own_quantisers_say_their_format(operators, formats):
    names = ["image", *(f"after{number}" for number in range(len(operators) - 1)), "scores"]
    nodes = [
        helper.make_node(kind, [read], [made], domain="trt")
        for kind, read, made in zip(operators, names, names[1:], strict=False)
    ]
    model = helper.make_model(helper.make_graph(nodes, "own", [], []))
    assert qdq.is_quantised(model) and qdq.quantised_formats(model) == formats


def answer(model) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["scores"], {"image": images(3)})[0]


@pytest.mark.parametrize("kind", ["int8", "int8 by channel"])
def test_biases_in_float_are_the_same_biases(networks, kind):
    model = graph.load(networks[kind])
    before = answer(model)
    qdq.dequantise_biases(model)
    onnx.checker.check_model(model)
    assert all(tensor.data_type != TensorProto.INT32 for tensor in model.graph.initializer)
    np.testing.assert_allclose(answer(model), before, rtol=1e-5, atol=1e-5)


def test_weights_that_are_listed_among_inputs_are_no_inputs_once_they_are_gone(networks):
    model = graph.load(networks["int8"])
    model.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in model.graph.initializer
    )
    qdq.dequantise_biases(model)
    assert [tensor.name for tensor in graph.inputs(model)] == ["image"]
    kept = {tensor.name for tensor in model.graph.initializer}
    assert {tensor.name for tensor in model.graph.input} < kept | {"image"}
    onnx.checker.check_model(model)


def test_an_input_that_nothing_reads_stays(networks):
    model = graph.load(networks["int8"])
    model.graph.input.append(helper.make_tensor_value_info("unread", TensorProto.FLOAT, ["N", 1]))
    graph.prune(model)
    assert [tensor.name for tensor in graph.inputs(model)] == ["image", "unread"]


def test_a_bias_whose_scales_lie_along_no_axis_stays_for_the_library_to_name(networks):
    model = graph.load(networks["int8 by channel"])
    biases = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.INT32}
    odd = next(node for node in model.graph.node if node.input[0] in biases and node.op_type == "DequantizeLinear")
    del odd.attribute[:]
    qdq.dequantise_biases(model)
    left = [node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in biases]
    assert left == [odd]


@pytest.mark.parametrize(
    ("kind", "precision", "capability", "form"),
    [
        ("int8", "int8", 8.6, "int8"),
        ("int8 by channel", "int8", 8.6, "int8"),
        ("fp8", "fp8", 8.9, "fp8"),
        ("NVIDIA's fp8", "fp8", 8.9, "fp8"),
    ],
)
def test_convolutions_read_what_the_graph_quantises_to(networks, build, kind, precision, capability, form):
    engine, record = build(
        networks[kind],
        None,
        builder__precision=precision,
        builder__compute_capability=capability,
        model__output_name="scores",
    )
    assert record.precision == precision and record.inputs[0].dtype == "float32"
    read = {form for layer in read_inspection(engine).layers if "conv2" in layer.made_of for form in layer.inputs}
    assert any(one.lower().startswith(form) for one in read), read


@pytest.mark.parametrize(
    ("kind", "precision", "expected"),
    [
        ("fp8", "int8", "is int8, and the network's own Q/DQ nodes are fp8 .*precision=fp8"),
        ("NVIDIA's fp8", "int8", "is int8, and the network's own Q/DQ nodes are fp8 .*precision=fp8"),
        ("int8", "fp8", "is fp8, and the network's own Q/DQ nodes are int8 .*precision=int8"),
        ("int8", "fp16", "is fp16, and the network's own Q/DQ nodes are int8"),
        ("shifted", "int8", "model.path: quantises image with a zero point other than 0.*ActivationSymmetric"),
    ],
)
def test_a_graph_of_another_precision_is_refused(networks, build, kind, precision, expected):
    with pytest.raises(ConfigError, match=expected):
        build(networks[kind], None, builder__precision=precision, model__output_name="scores")
