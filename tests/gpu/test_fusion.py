"""NVIDIA's plug-ins compute what TensorRT's own layers do: the same small network, built with them and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
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

OUTPUT = "pooled"
SWITCHES = {
    "both": {},
    "stage": {"builder.disable_beta1_smallk": True},
    "none": {"builder.skip_graphsurgeon": True},
}


@pytest.fixture(scope="module")
def network():
    """The network with ranges that its own activations have, an image, and the answer in fp32.

    It ends with a pooling, since the plug-ins give int8 alone, and what a network gives is of another format.
    """
    made = ResidualNetwork()
    pool = onnx.helper.make_node("MaxPool", ["end_out"], [OUTPUT], kernel_shape=[2, 2], strides=[2, 2])
    made.model.graph.node.append(pool)
    made.model.graph.output[0].name = OUTPUT
    del made.model.graph.output[0].type.tensor_type.shape.dim[:]
    made.model.CopyFrom(onnx.shape_inference.infer_shapes(made.model))
    image = np.random.default_rng(9).standard_normal((2, 64, 56, 56)).astype(np.float32)
    every = onnx.ModelProto()
    every.CopyFrom(made.model)
    names = [name for name in graph.activations(made.model) if name != "input"]
    del every.graph.output[:]
    every.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in names)
    values = dict(zip(names, ReferenceEvaluator(every).run(names, {"input": image}), strict=True))
    scales = {name: float(np.abs(value).max()) / STEPS for name, value in {"input": image, **values}.items()}
    return made.model, CalibrationCache(scales), image, values[OUTPUT]


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
    compile_plan(recipe, folder / "engine.plan", lambda message: None)
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


def test_fused_parts_answer_as_the_network_in_fp32_within_int8s_steps(network, tmp_path):
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
