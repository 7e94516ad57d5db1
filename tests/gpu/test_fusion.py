"""NVIDIA's plug-ins compute what TensorRT's own layers do: the same small network, built with them and without."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

pytest.importorskip("tensorrt", reason="TensorRT is not installed: pip install 'mlperf-registry[tensorrt]'")
pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed: pip install 'mlperf-registry[rtx]'")

from cuda.bindings import runtime

from harness.backends.tensorrt import fusion, graph
from harness.backends.tensorrt.calibration import STEPS, CalibrationCache
from harness.backends.tensorrt.compile import compile_plan
from harness.backends.tensorrt.inspection import read_inspection
from harness.backends.tensorrt.library import open_library
from harness.backends.tensorrt.plan import load_plugins, open_plan
from mlperf_registry.schema.engine import Engine, Recipe
from tests.harness.backends.tensorrt.residual_network import ResidualNetwork

if int(runtime.cudaGetDeviceCount()[0]) != 0:
    pytest.skip("CUDA shows no GPU here, and these tests are about one", allow_module_level=True)

LIBRARY_LOG = "mlperf.tensorrt"
OUTPUT, CHANNELS = "scores", 16
SWITCHES = {
    "both": {},
    "stage": {"builder.disable_beta1_smallk": True},
    "none": {"builder.skip_graphsurgeon": True},
}


def network_with_an_end():
    """The residual network, a pooling and a last convolution, as ResNet-50 ends.

    The plug-ins give int8 alone and what a network gives is of floats: the convolution takes the one and gives the
    other, so that the pooling, whose input and output are of one format, stays int8.
    """
    model = ResidualNetwork().model
    random = np.random.default_rng(6)
    weights = 512**-0.5 * random.standard_normal((CHANNELS, 512, 1, 1))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(weights.astype(np.float32), f"{OUTPUT}_w"),
            numpy_helper.from_array(random.standard_normal(CHANNELS).astype(np.float32), f"{OUTPUT}_b"),
        ]
    )
    model.graph.node.extend(
        [
            helper.make_node("MaxPool", ["end_out"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Conv", ["pooled", f"{OUTPUT}_w", f"{OUTPUT}_b"], [OUTPUT], kernel_shape=[1, 1]),
        ]
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, None))
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


@pytest.fixture(scope="module")
def network():
    """The network with ranges that its own activations have, an image, and the answer in fp32."""
    model = network_with_an_end()
    image = np.random.default_rng(9).standard_normal((2, 64, 56, 56)).astype(np.float32)
    every = onnx.ModelProto()
    every.CopyFrom(model)
    names = [name for name in graph.activations(model) if name != "input"]
    del every.graph.output[:]
    every.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    values = dict(zip(names, ReferenceEvaluator(every).run(names, {"input": image}), strict=True))
    scales = {name: float(np.abs(value).max()) / STEPS for name, value in {"input": image, **values}.items()}
    return model, CalibrationCache(scales), image, values[OUTPUT]


def build(folder: Path, network, values):
    model, cache, *_ = network
    folder.mkdir()
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "cache").write_text(cache.text())
    recipe = Recipe(
        backend="tensorrt",
        library_version="any",
        builder="module:Builder",
        builder_version=1,
        device="any",
        model_path=str(folder / "model.onnx"),
        model_sha256="0" * 64,
        values={
            "builder.gpu_batch_size": {"resnet50": 2},
            "builder.precision": {"resnet50": "int8"},
            "builder.static_batch": True,
            "builder.optimization_level": 1,
            "builder.tactic_sources": ("edge_mask_convolutions", "jit_convolutions"),
            "model.output_name": OUTPUT,
            **values,
        },
        calibration_path=str(folder / "cache"),
    )
    print(f"{folder.name}:")
    compile_plan(recipe, folder / "engine.plan", print)
    return Engine(key="0", path=str(folder), file="engine.plan", sha256="", reused=False, why="")


def answer(engine, image, shape):
    plan = open_plan(engine, open_library("tensorrt"))
    _, stream = runtime.cudaStreamCreate()
    context = plan.context(0, int(stream))
    out = np.empty(shape, np.float32)
    _, source = runtime.cudaMalloc(image.nbytes)
    _, target = runtime.cudaMalloc(out.nbytes)
    kinds = runtime.cudaMemcpyKind
    runtime.cudaMemcpy(source, image.ctypes.data, image.nbytes, kinds.cudaMemcpyHostToDevice)
    context.bind("input", int(source))
    context.bind(OUTPUT, int(target))
    context.set_batch(2)
    context.enqueue(int(stream))
    assert int(runtime.cudaStreamSynchronize(stream)[0]) == 0
    runtime.cudaMemcpy(out.ctypes.data, target, out.nbytes, kinds.cudaMemcpyDeviceToHost)
    return out


def test_fused_parts_answer_as_the_network_in_fp32_within_int8s_steps(network, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger=LIBRARY_LOG)  # pytest shows what was logged where a test fails
    library = open_library("tensorrt")
    load_plugins(library, ())
    if fusion.STAGE not in {creator.name for creator in library.trt.get_plugin_registry().plugin_creator_list}:
        pytest.skip(f"TensorRT {library.version} has no {fusion.STAGE}: 8.6 has")
    _, _, image, expected = network
    errors, layers = {}, {}
    for name, values in SWITCHES.items():
        engine = build(tmp_path / name, network, values)
        found = answer(engine, image, expected.shape)
        errors[name] = float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)))
        layers[name] = [layer.name for layer in read_inspection(engine).layers]
    print(errors)
    assert any(fusion.STAGE in name for name in layers["both"]), layers["both"]
    assert any(fusion.TILE in name for name in layers["both"]), layers["both"]
    assert not any("_TRT" in name for name in layers["none"])
    assert errors["none"] < 0.05
    assert errors["both"] < 1.5 * errors["none"] and errors["stage"] < 1.5 * errors["none"], errors
