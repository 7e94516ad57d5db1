"""The random ResNet-50 is the real one in all but its weights, and activations stay in the range of a trained one."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness.benchmarks.resnet50.architecture import random_network
from mlperf_registry import Registry
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.schema.sections import Model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def workload():
    return Registry.load().get(system="generic_cpu", benchmark="resnet50", scenario="offline", backend="onnxruntime")


@pytest.fixture(scope="module")
def content(workload):
    return random_network(workload.model, workload.benchmark.options)


@pytest.fixture(scope="module")
def graph(content):
    return onnx.load_model_from_string(content).graph


def test_layers_and_shapes_are_resnet50s(graph):
    count = {}
    for node in graph.node:
        count[node.op_type] = count.get(node.op_type, 0) + 1
    assert count == {
        "Conv": 53, "Relu": 49, "Add": 16, "MaxPool": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1, "ArgMax": 1
    }  # fmt: skip
    # The published 25,557,032, less the gains of 53 batch norms, folded in, and with a class for the background.
    assert sum(int(np.prod(tensor.dims)) for tensor in graph.initializer) == 25_557_032 - 26_560 + 2_049
    (image,) = graph.input
    dims = [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim]
    assert (image.name, dims) == ("input_tensor:0", ["N", 3, 224, 224])
    assert [output.name for output in graph.output] == ["ArgMax:0"]


def test_stride_lies_in_the_3x3_convolution_as_in_version_one_and_a_half(graph):
    halving = {
        node.output[0]
        for node in graph.node
        if node.op_type == "Conv" and any(part.name == "strides" and part.ints == [2, 2] for part in node.attribute)
    }
    assert halving == {"stem", *(f"stage{n}_block1_{part}" for n in (2, 3, 4) for part in ("conv2", "shortcut"))}


def test_the_weights_are_the_same_each_time(workload, content):
    assert random_network(workload.model, workload.benchmark.options) == content


def test_activations_keep_their_spread_and_images_their_classes(content):
    model = onnx.load_model_from_string(content)
    watched = [node.output[0] for node in model.graph.node if node.op_type in ("Conv", "Add", "Gemm")]
    for name in watched:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    blocks = np.random.default_rng(1).normal(0, 60, (8, 3, 7, 7))
    images = np.kron(blocks, np.ones((32, 32))).astype(np.float32)
    classes, *outputs = session.run(None, {"input_tensor:0": images})
    for name, output in zip(watched, outputs, strict=True):
        assert 0.3 < output.std() < 6, name
        assert np.abs(output).max() < 100, name
    assert classes.shape == (8,) and len(set(classes)) > 3


def test_it_fits_the_images_of_the_mini_too():
    options = Registry.load().get(benchmark="resnet50-mini", system="generic_cpu", scenario="offline").benchmark.options
    content = random_network(Model(input_name="input", output_name="label"), options)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).normal(size=(3, 1, 28, 28)).astype(np.float32)
    (classes,) = session.run(["label"], {"input": images})
    assert classes.shape == (3,) and classes.max() < 1000


def test_names_that_are_not_set_are_asked_for(workload):
    with pytest.raises(ConfigError, match=r"model\.output_name"):
        random_network(attrs.evolve(workload.model, output_name=None), workload.benchmark.options)
