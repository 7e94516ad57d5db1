"""Plug-ins take the place of what they compute: put back from their fields, the network answers as before."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.backends.tensorrt import graph
from harness.backends.tensorrt.calibration import STEPS
from harness.backends.tensorrt.fusion import STAGE, TILE, fuse, usable

BOTH = (STAGE, TILE)


class Network:
    """A residual network in the making: a first stage of ResNet-50, and a block after it."""

    def __init__(self, area=56, *, swapped=False, tapped=None, blocks=3):
        self.random = np.random.default_rng(5)
        self.nodes, self.weights = [], []
        self.swapped = swapped
        last = self.block("a", "input", 64, 64, shortcut=True)
        for name in "bcd"[: blocks - 1]:
            last = self.block(name, last, 256, 64)
        self.block("end", last, 256, 128, shortcut=True, stride=2)
        outputs = ["end_out"] if tapped is None else ["end_out", tapped]
        made = helper.make_graph(
            self.nodes,
            "stage",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [2, 64, area, area])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.weights,
        )
        self.model = onnx.shape_inference.infer_shapes(
            helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        )
        self.scales = {name: 0.01 + 0.001 * place for place, name in enumerate(graph.activations(self.model))}

    def convolution(self, name, source, inputs, outputs, kernel=1, stride=1):
        spread = (inputs * kernel * kernel) ** -0.5
        shape = (outputs, inputs, kernel, kernel)
        self.weights += [
            numpy_helper.from_array((spread * self.random.standard_normal(shape)).astype(np.float32), f"{name}_w"),
            numpy_helper.from_array(self.random.standard_normal(outputs).astype(np.float32), f"{name}_b"),
        ]
        self.nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{name}_w", f"{name}_b"],
                [name],
                kernel_shape=[kernel] * 2,
                strides=[stride] * 2,
                pads=[kernel // 2] * 4,
            )
        )
        return name

    def relu(self, name, out):
        self.nodes.append(helper.make_node("Relu", [name], [out]))
        return out

    def block(self, name, source, inputs, width, *, shortcut=False, stride=1):
        outputs = 4 * width
        other = self.convolution(f"{name}_short", source, inputs, outputs, stride=stride) if shortcut else source
        inner = self.relu(self.convolution(f"{name}_1", source, inputs, width), f"{name}_1r")
        inner = self.relu(self.convolution(f"{name}_2", inner, width, width, 3, stride), f"{name}_2r")
        inner = self.convolution(f"{name}_3", inner, width, outputs)
        pair = [other, inner] if self.swapped else [inner, other]
        self.nodes.append(helper.make_node("Add", pair, [f"{name}_sum"]))
        return self.relu(f"{name}_sum", f"{name}_out")


def fields(node):
    return {one.name: numpy_helper.to_array(one.t) for one in node.attribute if one.type == onnx.AttributeProto.TENSOR}


def put_back(model):
    """The graph with ONNX's own operators again, made of nothing but the plug-ins' fields."""
    nodes, weights = [], list(model.graph.initializer)

    def convolution(name, source, given, kernel=1):
        values, scale, bias = given
        per = scale.reshape(-1, 1, 1, 1)
        weights.append(numpy_helper.from_array(values.reshape(len(scale), -1, kernel, kernel) * per, f"{name}_w"))
        weights.append(numpy_helper.from_array(bias, f"{name}_b"))
        pads = [kernel // 2] * 4
        parts = [source, f"{name}_w", f"{name}_b"]
        nodes.append(helper.make_node("Conv", parts, [name], kernel_shape=[kernel] * 2, pads=pads))
        return name

    def add(kind, inputs, name):
        nodes.append(helper.make_node(kind, inputs, [name]))
        return name

    for node in model.graph.node:
        given = fields(node)
        out = node.output[0]
        if node.op_type == TILE:
            made = convolution(f"{out}_tile", node.input[0], (given["weight"], given["scale"], given["bias"]))
            add("Relu", [add("Add", [made, node.input[1]], f"{out}_total")], out)
        elif node.op_type == STAGE:

            def part(name, given=given):
                return given[f"c_{name}_w"], given[f"s_{name}_s"], given[f"s_{name}_b"]

            last = node.input[0]
            other = convolution("back_short", last, part("res2a_br1"))
            for letter in "abc":
                name = f"res2{letter}"
                inner = add("Relu", [convolution(f"{name}1", last, part(f"{name}_br2a"))], f"{name}1r")
                inner = add("Relu", [convolution(f"{name}2", inner, part(f"{name}_br2b"), 3)], f"{name}2r")
                inner = convolution(f"{name}3", inner, part(f"{name}_br2c"))
                total = add("Add", [inner, other], f"{name}s")
                last = other = add("Relu", [total], out if letter == "c" else f"{name}o")
        else:
            nodes.append(node)
    made = helper.make_graph(nodes, "back", model.graph.input, model.graph.output, weights)
    return helper.make_model(made, opset_imports=model.opset_import, ir_version=8)


def answer(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(9).standard_normal(shape).astype(np.float32)
    return session.run(["end_out"], {"input": image})[0]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("plugins", "expected"),
    [(BOTH, {STAGE: 1, TILE: 1}), ((STAGE,), {STAGE: 1}), ((TILE,), {TILE: 4}), ((), {})],
)
def test_what_is_fused_computes_the_same(plugins, expected, swapped):
    network = Network(swapped=swapped)
    before = answer(network.model)
    assert fuse(network.model, network.scales, plugins) == expected
    np.testing.assert_allclose(answer(put_back(network.model)), before, rtol=1e-4, atol=1e-4)


def test_ranges_are_those_of_the_tensors_in_the_order_of_the_plugins():
    network = Network()
    fuse(network.model, network.scales, BOTH)
    nodes = {node.op_type: fields(node) for node in network.model.graph.node}
    names = ["input", "a_short"]
    for block in "abc":
        names += [f"{block}_1r", f"{block}_2r", f"{block}_3", f"{block}_out"]
    expected = [network.scales[name] * STEPS for name in names]
    np.testing.assert_allclose(nodes[STAGE]["dynamic_ranges"], expected, rtol=1e-6)
    tile = [network.scales[name] * STEPS for name in ("end_2r", "end_out", "end_short")]
    np.testing.assert_allclose(nodes[TILE]["dynamicRanges"], tile, rtol=1e-6)


@pytest.mark.parametrize(
    "network",
    [Network(area=28), Network(tapped="b_1r"), Network(tapped="b_out"), Network(tapped="a_sum"), Network(blocks=2)],
    ids=["another area", "a tensor within is an output", "a block is an output", "a sum is an output", "two blocks"],
)
def test_what_is_no_whole_stage_stays(network):
    before = answer(network.model)
    assert STAGE not in fuse(network.model, network.scales, (STAGE,))
    np.testing.assert_array_equal(answer(network.model), before)


def test_a_part_without_a_range_stays():
    network = Network()
    del network.scales["b_3"], network.scales["end_2r"]
    assert fuse(network.model, network.scales, BOTH) == {TILE: 3}, "the tiles need no range within"


def test_a_longer_stage_keeps_its_first_blocks():
    network = Network(blocks=4)
    assert fuse(network.model, network.scales, (STAGE,)) == {STAGE: 1}


def registry(*names):
    there = [SimpleNamespace(name=name) for name in names]
    return SimpleNamespace(trt=SimpleNamespace(get_plugin_registry=lambda: SimpleNamespace(plugin_creator_list=there)))


@pytest.mark.parametrize(
    ("values", "capability", "expected"),
    [
        ({}, "9.0", BOTH),
        ({}, "7.5", (STAGE,)),
        ({}, "10.0", ()),
        ({"builder.disable_beta1_smallk": True}, "9.0", (STAGE,)),
        ({"builder.skip_graphsurgeon": True}, "9.0", ()),
        ({"builder.dla_core": 0}, "8.7", ()),
    ],
)
def test_what_may_be_used(values, capability, expected):
    assert usable(registry(STAGE, TILE, "NMS_TRT"), values, capability) == expected


def test_a_library_without_the_plugins_uses_none():
    assert usable(registry("NMS_TRT"), {}, "9.0") == ()
