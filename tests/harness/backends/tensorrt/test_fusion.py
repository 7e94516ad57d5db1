"""Plug-ins take the place of what they compute: put back from their fields, the network answers as before."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from harness.backends.tensorrt.calibration import STEPS
from harness.backends.tensorrt.fusion import STAGE, TILE, fuse, usable
from tests.harness.backends.tensorrt.residual_network import ResidualNetwork

BOTH = (STAGE, TILE)


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
    network = ResidualNetwork(swapped=swapped)
    before = answer(network.model)
    assert fuse(network.model, network.scales, plugins) == expected
    np.testing.assert_allclose(answer(put_back(network.model)), before, rtol=1e-4, atol=1e-4)


def test_ranges_are_those_of_the_tensors_in_the_order_of_the_plugins():
    network = ResidualNetwork()
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
    [
        ResidualNetwork(area=28),
        ResidualNetwork(tapped="b_1r"),
        ResidualNetwork(tapped="b_out"),
        ResidualNetwork(tapped="a_sum"),
        ResidualNetwork(blocks=2),
    ],
    ids=["another area", "a tensor within is an output", "a block is one", "a sum is one", "two blocks"],
)
def test_what_is_no_whole_stage_stays(network):
    before = answer(network.model)
    assert STAGE not in fuse(network.model, network.scales, (STAGE,))
    np.testing.assert_array_equal(answer(network.model), before)


def test_a_part_without_a_range_stays():
    network = ResidualNetwork()
    del network.scales["b_3"], network.scales["end_2r"]
    assert fuse(network.model, network.scales, BOTH) == {TILE: 3}, "the tiles need no range within"


def test_a_longer_stage_keeps_its_first_blocks():
    network = ResidualNetwork(blocks=4)
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
