"""Calibration: ranges that keep accuracy, NVIDIA's cache format, and graphs that are quantised by it."""

from __future__ import annotations

import gzip
import re

import numpy as np
import onnx
import onnxruntime
import pytest

from harness.backends.tensorrt import graph, number_format, qdq
from harness.backends.tensorrt.calibration import CalibrationCache, calibrate, read_cache
from mlperf_registry.roots import package_file
from mlperf_registry.schema.problem import ConfigError, NotReady

FOLDER = package_file("package:harness/benchmarks/resnet50/mini/model.onnx").parent
MODEL = FOLDER / "model.onnx"


@pytest.fixture(scope="module")
def cache():
    return read_cache(str(FOLDER / "model.calibration"))


def images(count: int) -> np.ndarray:
    pixels = np.frombuffer(gzip.decompress((FOLDER / "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    return ((pixels.reshape(-1, 1, 28, 28)[:count] - np.float32(72.94)) / np.float32(90.02)).astype(np.float32)


def top1(model, samples) -> float:
    labels = np.frombuffer(gzip.decompress((FOLDER / "t10k-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["label"], {session.get_inputs()[0].name: samples})
    return 100 * float((found == labels[: len(samples)]).mean())


def test_nvidias_format_is_read_and_written():
    text = "TRT-8501-EntropyCalibration2\ninput_tensor:0: 3c010a14\n(Unnamed Layer* 3) [Shuffle]_output: 3d000000\n"
    cache = CalibrationCache.parse(text, "the file")
    assert cache.scales["input_tensor:0"] == pytest.approx(0.00787594, rel=1e-5)  # 1/127, as NVIDIA's caches often have
    assert cache.text() == text


def test_scales_of_fewer_digits_and_none_are_read():
    text = (
        "TRT-8401-EntropyCalibration2\n366: 0\n(Unnamed Layer* 64) [Shuffle]_output: 0\ntiny: 800000\ninput: 3c010a14\n"
    )
    cache = CalibrationCache.parse(text, "the file")
    assert cache.scales == {"tiny": 2**-126, "input": pytest.approx(1 / 127, rel=1e-3)}
    assert cache.without == ("366", "(Unnamed Layer* 64) [Shuffle]_output")
    assert CalibrationCache.parse(cache.text(), "it") == cache


def test_a_tensor_without_a_scale_is_known_and_not_quantised(cache):
    model = graph.load(MODEL)
    dead = qdq.quantised_inputs(model)[2]
    lines = [f"{dead}: 0" if line.startswith(f"{dead}:") else line for line in cache.text().splitlines()]
    zeroed = CalibrationCache.parse("\n".join(lines), "it")
    zeroed.require_network(model, "it")
    quantised = qdq.quantise(model, zeroed.scales, int8_input=False)
    onnx.checker.check_model(quantised)
    read = {node.input[0] for node in quantised.graph.node if node.op_type == "QuantizeLinear"}
    assert dead not in read and set(qdq.quantised_inputs(graph.load(MODEL))) - {dead} <= read


@pytest.mark.parametrize(
    "text",
    ["", "hello", "TRT-8600-X\ninput 3c010a14", "TRT-8600-X\ninput: xyz", "TRT-8600-X\na: 7f800000", "TRT-8600-X\na:"],
)
def test_other_files_are_refused(text):
    with pytest.raises(ConfigError, match="the file is no INT8 calibration cache"):
        CalibrationCache.parse(text, "the file")


def test_a_negative_scale_is_refused_with_its_line():
    said = "the file has an impossible scale of -0.00788 for second in line 4: scales are positive, or 0 for no range"
    with pytest.raises(ConfigError, match=f"{re.escape(said)}.*mlperf calibrate") as refusal:
        CalibrationCache.parse("TRT-8600-X\n\nfirst: 3c010a14\nsecond: bc010a14\n", "the file")
    assert refusal.value.problems[0].path == "builder.cache_file"


@pytest.mark.parametrize(
    ("hidden", "ranged"), [(-1e9, True), (float(np.finfo(np.float32).min), True), (-np.inf, False)]
)
def test_a_mask_of_attention_leaves_a_cache_that_is_read_and_a_graph_that_runs(tmp_path, hidden, ranged):
    """Its values are what softmax makes 0 of: beyond fp16, and not for int8 kernels."""
    helper = onnx.helper
    constants = {"floor": np.float32(0), "hidden": np.float32(hidden), "zero": np.float32(0), "w": np.eye(4, 2)}
    nodes = [
        helper.make_node("Less", ["image", "floor"], ["low"]),
        helper.make_node("Where", ["low", "hidden", "zero"], ["mask"]),
        helper.make_node("Add", ["image", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["weights"]),
        helper.make_node("MatMul", ["weights", "w"], ["label"]),
    ]
    made = helper.make_graph(
        nodes,
        "attention",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("label", onnx.TensorProto.FLOAT, ["N", 2])],
        [onnx.numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )
    path = tmp_path / "attention.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    samples = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)
    samples[:, 0] = 1.0
    found = CalibrationCache.parse(calibrate(path, [{"image": samples}], lambda message: None), "it")
    found.require_network(graph.load(path), "it")
    assert ("mask" in found.scales, "mask" in found.without) == (ranged, not ranged)
    quantised = qdq.quantise(graph.load(path), qdq.steps(found.scales), int8_input=False)
    assert [node.input[0] for node in quantised.graph.node if node.op_type == "QuantizeLinear"] == ["weights"]
    session = onnxruntime.InferenceSession(quantised.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.isfinite(session.run(None, {"image": samples})[0]).all()


def test_scales_of_the_graph_are_within_what_fp16_holds():
    assert qdq.steps({"mask": 7.87e6, "some": 0.5, "tiny": 1e-9}) == {"mask": 65504.0, "some": 0.5, "tiny": 2**-14}


def test_blank_lines_are_skipped():
    cache = CalibrationCache.parse("\nTRT-8600-X\n\ninput: 3c010a14\n  \noutput: 3c010a14\n\n", "the file")
    assert list(cache.scales) == ["input", "output"]


def test_a_binary_file_is_no_cache(tmp_path):
    path = tmp_path / "cache"
    path.write_bytes(b"TRT-\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cache is no INT8 calibration cache: it is no text .*mlperf calibrate"):
        read_cache(str(path))


def test_a_missing_cache_says_how_to_make_one(tmp_path):
    for path in (None, str(tmp_path / "absent")):
        with pytest.raises(NotReady, match="mlperf calibrate"):
            read_cache(path)


def test_ranges_hold_every_activation_and_do_not_exceed_it():
    samples = images(40)
    told = []
    found = CalibrationCache.parse(calibrate(MODEL, [{"image": samples}], told.append), "it")
    assert set(found.scales) == set(graph.activations(graph.load(MODEL)))
    assert found.scales["input"] * 127 == pytest.approx(np.abs(samples).max(), rel=0.01)
    assert told


def test_an_empty_set_is_refused():
    with pytest.raises(ConfigError, match="no samples"):
        calibrate(MODEL, [], lambda message: None)


def test_the_shipped_cache_is_of_the_mini(cache):
    cache.require_network(graph.load(MODEL), "it")


def test_a_quantised_graph_keeps_its_accuracy(cache):
    samples = images(2000)
    exact = top1(graph.load(MODEL), samples)
    quantised = qdq.quantise(graph.load(MODEL), cache.scales, int8_input=False)
    onnx.checker.check_model(quantised)
    assert top1(quantised, samples) == pytest.approx(exact, abs=0.5)
    half = number_format.cast(graph.load(MODEL), "fp16", cast_inputs=True)
    onnx.checker.check_model(half)
    assert top1(half, samples) == pytest.approx(exact, abs=0.2)


def test_an_int8_input_is_the_same_network(cache):
    samples = images(1000)
    real = qdq.quantise(graph.load(MODEL), cache.scales, int8_input=False)
    integer = qdq.quantise(graph.load(MODEL), cache.scales, int8_input=True)
    steps = np.clip(np.rint(samples / np.float32(cache.scales["input"])), -128, 127).astype(np.int8)
    assert top1(integer, steps) == pytest.approx(top1(real, samples), abs=0.11)


def test_a_network_that_quantises_itself_is_not_calibrated(cache, tmp_path):
    path = tmp_path / "quantised.onnx"
    onnx.save(qdq.quantise(graph.load(MODEL), cache.scales, int8_input=False), path)
    assert calibrate(path, [], lambda message: None) is None


def test_unread_outputs_and_what_makes_them_go():
    model = graph.load(MODEL)
    graph.keep_output(model, "label")
    assert [output.name for output in model.graph.output] == ["label"]
    graph.keep_output(model, "label")
    number_format.narrow_labels(model)
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.INT32
    onnx.checker.check_model(model)


def test_a_batch_that_the_network_fixes_is_refused_where_another_is_asked_for():
    model = graph.load(MODEL)
    graph.set_batch(model, 8)
    graph.set_batch(model, 8)
    with pytest.raises(ConfigError, match="fixed batch of 8"):
        graph.set_batch(model, None)


@pytest.mark.parametrize("values", [[1.0, -1.5, 3.14159, 1e-3]])
def test_bf16_is_rounded_to_nearest(values):
    tensor = onnx.numpy_helper.from_array(np.array(values, np.float32), "w")
    made = number_format._narrowed(tensor, onnx.TensorProto.BFLOAT16)
    back = (np.frombuffer(made.raw_data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    assert back == pytest.approx(values, rel=2**-8)
