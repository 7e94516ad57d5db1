"""What plans of TensorRT for RTX consist of, for each generation of GPUs that it builds for: formats and fusions.

They are what a user relies on for speed: kernels in the precision that was asked for, channels innermost in memory all
along, and bias, sum and ReLU done by a kernel that is there anyway.
"""

from __future__ import annotations

import onnx
import pytest

from harness.backends.tensorrt.inspection import read_inspection
from mlperf_registry.roots import package_file
from tests.harness.backends.tensorrt.mini_network import MINI, MINI_CACHE

TURING = 7.5
LATER = [8.0, 8.6, 8.9, 12.0]
WITH_INT8 = pytest.mark.parametrize("capability", LATER)
"""For Turing the library has no int8 convolutions: it runs them in fp16, between the same Q/DQ nodes."""

pytestmark = pytest.mark.parametrize("size", ["mini", pytest.param("full", marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """ResNet-50 at its real size, of random weights."""
    from harness.benchmarks.resnet50.architecture import random_network
    from mlperf_registry.registry import Registry

    workload = Registry.load().get(
        system="generic_cpu", benchmark="resnet50", scenario="offline", overrides=["model.weights=random"]
    )
    path = tmp_path_factory.mktemp("full") / "random.onnx"
    path.write_bytes(random_network(workload.model, workload.benchmark.options))
    return path, package_file("package:harness/benchmarks/resnet50/random.calibration"), workload.model.output_name


class Steps:
    """A plan's steps, and the nodes of the network that it was made of."""

    def __init__(self, layers, nodes):
        self.layers, self.nodes = layers, nodes
        kernels = [layers.index(self.kernel(node)) for node in self.of("Conv")]
        self.body = layers[min(kernels) : max(kernels) + 1]
        """From the first convolution to the last."""

    def of(self, kind):
        return [node for node in self.nodes if node.op_type == kind]

    def doing(self, node):
        """The steps that do a part of a node's work."""
        return [layer for layer in self.layers if node.name in layer.made_of]

    def kernel(self, node):
        """The step that a convolution itself is; what brings its input into its format is another."""
        (found,) = (one for one in self.doing(node) if one.kind.startswith(("convolution", "runtime_fusion")))
        return found

    def after(self, node):
        """The operators that follow a convolution up to the next: of Add, Relu, both or none."""
        found, name = [], node.output[0]
        while readers := [one for one in self.nodes if name in one.input]:
            if len(readers) > 1 or readers[0].op_type not in ("Add", "Relu"):
                break
            found.append(readers[0].op_type)
            name = readers[0].output[0]
        return found


@pytest.fixture
def steps(build, request, size):
    """Builds for a compute capability, and gives the steps of the plan."""
    model, cache, output = (MINI, MINI_CACHE, "label") if size == "mini" else request.getfixturevalue("full")
    batch = 64 if size == "mini" else 256

    def run(capability, precision):
        engine, record = build(
            model,
            cache,
            builder__precision=precision,
            builder__compute_capability=capability,
            builder__gpu_batch_size=batch,
            model__output_name=output,
        )
        assert record.device == f"compute capability {capability}"
        return Steps(read_inspection(engine).layers, onnx.load(str(model)).graph.node)

    return run


def fused_in_half(found):
    """Every convolution in fp16 with its bias; the sum and the ReLU that follow are the same kernel's work."""
    sums = 0
    for node in found.of("Conv"):
        layer, follows = found.kernel(node), found.after(node)
        if layer.kind == "runtime_fusion":  # a 1x1 convolution as a product of matrices, its channels innermost
            kernel = next(one.ints for one in node.attribute if one.name == "kernel_shape")
            assert list(kernel) == [1, 1] and "Add" not in follows
            assert layer.inputs == layer.outputs == ("half",)
            assert len(layer.made_of) == 1 + len(follows), "with its ReLU"
            continue
        assert {*layer.inputs, *layer.outputs} == {"half NHWC"}, node.name
        kind, *fused = layer.kind.split("+")
        assert kind == "convolution" and "bias" in fused
        # Of two convolutions whose outputs are added, one adds the other's, and has the ReLU.
        assert ("relu" in fused) == (follows == ["Relu"] or "accu" in fused), node.name
        sums += "accu" in fused
    assert sums == len(found.of("Add"))


@pytest.mark.parametrize("capability", [TURING, *LATER])
def test_fp16_is_convolutions_alone_each_with_what_follows_it(steps, capability):
    found = steps(capability, "fp16")
    fused_in_half(found)
    for layer in found.body:
        assert layer.kind.partition("+")[0] in ("convolution", "runtime_fusion", "maxpool"), layer
    assert {form for layer in found.body for form in (*layer.inputs, *layer.outputs)} <= {"half NHWC", "half"}


@WITH_INT8
def test_int8_convolutions_read_int8_and_one_step_does_the_rest(steps, capability):
    found = steps(capability, "int8")
    for node in found.of("Conv"):
        layer = found.kernel(node)
        # Sums of 32 bits go out as they are: this library has no int8 convolution that quantises its own output.
        assert (layer.kind, layer.inputs, layer.outputs) == ("convolution", ("int8 NHWC",), ("float NHWC",)), node.name
    for node in found.of("Relu"):
        (layer,) = found.doing(node)
        assert layer.inputs[0] == "float NHWC" and layer.outputs[0].startswith("int8"), "it quantises too"
    for node in found.of("Add"):
        (layer,) = found.doing(node)
        assert any(relu.name in layer.made_of for relu in found.of("Relu")), "the sum is no step of its own"
    others = [layer for layer in found.body if layer.kind != "convolution"]
    assert {layer.outputs for layer in others} == {("int8 NHWC",)}, "what one step leaves for the next is int8"
    assert len(others) == len(found.of("Relu")) - 1 + len(found.of("MaxPool"))  # the last ReLU is behind the body


def test_turing_runs_int8_networks_in_fp16(steps):
    fused_in_half(steps(TURING, "int8"))
