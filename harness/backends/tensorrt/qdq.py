"""Q/DQ nodes, which say where a graph is quantised: those that it brings, and those that calibrated scales put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.backends.tensorrt.graph import activations, at_opset, constants, import_onnx, inputs, prune

QUANTISED_OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that have int8 kernels, and weights as their second input."""
_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
_OWN_QUANTISER = re.compile(r"TRT_(?:MX)?(FP4|FP8|INT4|INT8)(?:Dynamic)?(?:Quantize|Dequantize)(?:Linear)?")
"""Operators of NVIDIA's exporters, which its parsers know and ONNX does not: the name says the number format."""
_FORMATS_OF = {"INT8": "int8", "UINT8": "int8", "FLOAT8": "fp8", "FP8": "fp8", "FLOAT4": "fp4", "FP4": "fp4"}
"""Beginning of ONNX's, or NVIDIA's, name of a number format to that of ``builder.precision``."""
_CHANNEL_SCALES_OPSET = 13
"""First with a scale for each channel."""
_SMALLEST_SCALE, _LARGEST_SCALE = 2.0**-14, 65504.0
"""Smallest normal fp16, since a smaller scale would lose its digits, and the largest."""


def is_quantised(model: Any) -> bool:
    """Whether the graph says itself where to quantise."""
    return any(node.op_type in _QUANTISERS or _OWN_QUANTISER.fullmatch(node.op_type) for node in model.graph.node)


def quantised_formats(model: Any) -> tuple[str, ...]:
    """Number formats that the graph's own Q/DQ nodes quantise to, as ``builder.precision`` names them, sorted.

    Biases in int32 and weights in int4, which kernels widen before they multiply, are no engine's format.
    """
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.value_info)}
    kinds |= {tensor.name: tensor.data_type for tensor in constants(model).values()}
    found = set()
    for node in model.graph.node:
        own = _OWN_QUANTISER.fullmatch(node.op_type)
        if own is not None:
            name = own[1]
        elif node.op_type in _QUANTISERS:
            name = _format(node, kinds)
        else:
            continue
        found |= {format for prefix, format in _FORMATS_OF.items() if name.startswith(prefix)}
    return tuple(sorted(found))


def _format(node: Any, kinds: Mapping[str, int]) -> str:
    """ONNX's name of what a QuantizeLinear makes, or a DequantizeLinear reads; empty where nothing says it."""
    onnx = import_onnx()
    if len(node.input) > 2 and node.input[2]:
        kind = kinds.get(node.input[2])
    elif node.op_type == "DequantizeLinear":
        kind = kinds.get(node.input[0])
    else:
        given = (attribute.i for attribute in node.attribute if attribute.name == "output_dtype")
        kind = next(given, onnx.TensorProto.INT8)  # the libraries' default; ONNX's, uint8, none of them takes
    return str(onnx.TensorProto.DataType.Name(kind)) if kind else ""


def zero_points(model: Any) -> list[str]:
    """Names of the tensors that the graph's own Q/DQ nodes shift by a zero point other than 0."""
    onnx = import_onnx()
    known = constants(model)
    shifted = (
        node.input[0]
        for node in model.graph.node
        if node.op_type in _QUANTISERS and len(node.input) > 2 and node.input[2] in known
        if onnx.numpy_helper.to_array(known[node.input[2]]).astype(np.float32).any()
    )
    return list(dict.fromkeys(shifted))


def dequantise_biases(model: Any) -> None:
    """Put float biases in the place of those that the graph dequantises from int32, which the libraries do not take.

    Exact: a bias is then what its DequantizeLinear computes, and libraries add it in float either way.
    """
    onnx = import_onnx()
    known = constants(model)
    for node in list(model.graph.node):
        if node.op_type != "DequantizeLinear" or any(name and name not in known for name in node.input):
            continue
        if known[node.input[0]].data_type != onnx.TensorProto.INT32:
            continue
        steps, scale, *rest = (onnx.numpy_helper.to_array(known[name]) for name in node.input if name)
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        shape = [1] * steps.ndim
        if scale.size > 1:
            if not -steps.ndim <= axis < steps.ndim:
                continue  # the library refuses it, and names the node
            shape[axis] = scale.size
        # In double, since int32 has more digits than float32.
        zero = rest[0].reshape(shape).astype(np.float64) if rest else 0.0
        values = (steps - zero) * scale.reshape(shape).astype(np.float64)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(scale.dtype), node.output[0]))
        model.graph.node.remove(node)
    prune(model)


def quantised_inputs(model: Any) -> list[str]:
    """Names of the activations that operators with int8 kernels read."""
    alive = set(activations(model))
    read = (node.input[0] for node in model.graph.node if node.op_type in QUANTISED_OPS)
    return list(dict.fromkeys(name for name in read if name in alive))


def steps(scales: Mapping[str, float]) -> dict[str, float]:
    """Calibrated scales as Q/DQ nodes have them, within what fp16 holds."""
    return {name: min(max(scale, _SMALLEST_SCALE), _LARGEST_SCALE) for name, scale in scales.items()}


def quantise(model: Any, scales: Mapping[str, float], *, int8_input: bool) -> Any:
    """The graph with Q/DQ nodes around every operator that has int8 kernels, as TensorRT fuses them.

    Activations by ``scales``; weights symmetric, a scale for each output channel; of a residual sum the shortcut is
    quantised too, so that it is added by the convolution's own kernel.

    Args:
        model: a float32 graph, changed in place where no newer opset is needed.
        scales: activation to real value of one step, from ``steps``.
        int8_input: whether the network's input comes quantised.
    """
    onnx = import_onnx()
    model = at_opset(model, _CHANNEL_SCALES_OPSET)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    entry = {tensor.name: tensor for tensor in inputs(model)}
    pairs: dict[str, str] = {}
    added: dict[str, list[Any]] = {}

    def dequantised(name: str) -> str:
        if name not in pairs:
            scale, zero = f"{name}_scale", f"{name}_zero"
            for constant, number in ((scale, np.float32(scales[name])), (zero, np.int8(0))):
                graph.initializer.append(onnx.numpy_helper.from_array(number, constant))
            pairs[name] = f"{name}_dequantised"
            steps, nodes = f"{name}_quantised", []
            if int8_input and name in entry:
                entry[name].type.tensor_type.elem_type = onnx.TensorProto.INT8
                steps = name
            else:
                nodes.append(onnx.helper.make_node("QuantizeLinear", [name, scale, zero], [steps], name=f"{name}_q"))
            nodes.append(
                onnx.helper.make_node("DequantizeLinear", [steps, scale, zero], [pairs[name]], name=f"{name}_dq")
            )
            added[name] = nodes
        return pairs[name]

    for node in list(graph.node):
        if node.op_type in QUANTISED_OPS and node.input[0] in scales and node.input[1] in weights:
            node.input[0] = dequantised(node.input[0])
            node.input[1] = _quantise_weights(graph, node, weights[node.input[1]])
        elif node.op_type == "Add":
            shortcut = _shortcut(node, producers)
            if shortcut is not None and node.input[shortcut] in scales:
                node.input[shortcut] = dequantised(node.input[shortcut])
        elif node.op_type in ("GlobalAveragePool", "MaxPool", "AveragePool") and node.input[0] in scales:
            node.input[0] = dequantised(node.input[0])
    ordered: list[Any] = []
    for tensor in entry:
        ordered += added.get(tensor, [])
    for node in list(graph.node):
        ordered.append(node)
        for name in node.output:
            ordered += added.get(name, [])
    del graph.node[:]
    graph.node.extend(ordered)
    prune(model)
    return model


def _quantise_weights(graph: Any, node: Any, tensor: Any) -> str:
    """Adds the weights in int8 and their DequantizeLinear; returns its output's name."""
    onnx = import_onnx()
    name = f"{tensor.name}_{node.name or node.output[0]}"
    values = onnx.numpy_helper.to_array(tensor)
    axis = _output_axis(node, values.ndim)
    others = tuple(number for number in range(values.ndim) if number != axis)
    # Of the scales as fp16 will have them, so that steps and scales fit each other.
    steps = np.maximum(np.abs(values).max(axis=others, keepdims=True) / 127, _SMALLEST_SCALE).astype(np.float16)
    steps = steps.astype(np.float32)
    integers = np.clip(np.rint(values / steps), -127, 127).astype(np.int8)
    scales = steps.reshape(-1)
    graph.initializer.extend(
        [
            onnx.numpy_helper.from_array(integers, f"{name}_int8"),
            onnx.numpy_helper.from_array(scales, f"{name}_scale"),
            onnx.numpy_helper.from_array(np.zeros(scales.shape, np.int8), f"{name}_zero"),
        ]
    )
    parts = [f"{name}_int8", f"{name}_scale", f"{name}_zero"]
    made = onnx.helper.make_node("DequantizeLinear", parts, [f"{name}_dequantised"], name=f"{name}_dq", axis=axis)
    graph.node.insert(0, made)
    return f"{name}_dequantised"


def _output_axis(node: Any, rank: int) -> int:
    """Axis of the weights along which output channels lie."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return 0 if transposed else 1
    return 1 if node.op_type == "ConvTranspose" else rank - 1


def _shortcut(node: Any, producers: Mapping[str, Any]) -> int | None:
    """Which input of a sum comes past a convolution whose kernel can add it; None where the sum is none of a residual.

    Of two convolutions' outputs either may be taken: the second is.
    """
    made = [producers.get(name) for name in node.input]
    if not any(one is not None and one.op_type == "Conv" for one in made):
        return None
    return 1 if made[0] is not None and made[0].op_type == "Conv" else 0
