"""What the builder changes in an ONNX graph before a library parses it: batch, outputs, number formats, Q/DQ nodes.

Libraries without precision flags read number formats from the graph alone; those with flags get it nearly as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed

QUANTISED_OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that have int8 kernels, and weights as their second input."""
_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
_OWN_QUANTISER = re.compile(r"TRT_(?:MX)?(FP4|FP8|INT4|INT8)(?:Dynamic)?(?:Quantize|Dequantize)(?:Linear)?")
"""Operators of NVIDIA's exporters, which its parsers know and ONNX does not: the name says the number format."""
_FORMATS_OF = {"INT8": "int8", "UINT8": "int8", "FLOAT8": "fp8", "FP8": "fp8", "FLOAT4": "fp4", "FP4": "fp4"}
"""Beginning of ONNX's, or NVIDIA's, name of a number format to that of ``builder.precision``."""
_QUANTISED_OPSET, _HALF_QUANTISED_OPSET = 13, 19
"""First with a scale for each channel, and first whose scales may be fp16."""
_SMALLEST_SCALE, _LARGEST_SCALE = 2.0**-14, 65504.0
"""Smallest normal fp16, since a smaller scale would lose its digits, and the largest."""


def import_onnx() -> Any:
    """The module ``onnx``.

    Raises:
        NotReady: when it is absent.
    """
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
        import onnx.shape_inference
        import onnx.version_converter
    except ImportError as error:
        raise NotReady(f"TensorRT's builder needs onnx ({error}): pip install onnx") from error
    return onnx


def load(path: Path) -> Any:
    """The ModelProto of a file.

    Raises:
        RunFailed: when it is none, or a tensor in it has not the values that its shape takes.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(str(path))
        if not model.graph.node:
            raise ValueError("it has no nodes")
        for name, tensor in _constants(model).items():
            try:
                onnx.numpy_helper.to_array(tensor)
            except (ValueError, TypeError) as error:
                raise ValueError(f"its tensor {name} is damaged ({error})") from error
        return onnx.shape_inference.infer_shapes(model)
    except Exception as error:  # protobuf's and onnx's exceptions share no base class
        raise RunFailed(f"{path} is no ONNX network that can be read: {error}") from error


def inputs(model: Any) -> list[Any]:
    """The graph's inputs, less weights that old networks list among them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [tensor for tensor in model.graph.input if tensor.name not in weights]


def float_inputs(model: Any) -> list[str]:
    """Names of the inputs that are float32."""
    onnx = import_onnx()
    return [tensor.name for tensor in inputs(model) if tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]


def activations(model: Any) -> list[str]:
    """Names of the float tensors that depend on the input, in the graph's order."""
    onnx = import_onnx()
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for value in (*model.graph.input, *model.graph.value_info, *model.graph.output)
    }
    alive = [tensor.name for tensor in inputs(model)]
    for node in model.graph.node:
        if set(node.input) & set(alive):
            alive += [name for name in node.output if name]
    return [name for name in alive if kinds.get(name) == onnx.TensorProto.FLOAT]


def quantised_inputs(model: Any) -> list[str]:
    """Names of the activations that operators with int8 kernels read."""
    alive = set(activations(model))
    read = (node.input[0] for node in model.graph.node if node.op_type in QUANTISED_OPS)
    return list(dict.fromkeys(name for name in read if name in alive))


def is_quantised(model: Any) -> bool:
    """Whether the graph says itself where to quantise."""
    return any(node.op_type in _QUANTISERS or _OWN_QUANTISER.fullmatch(node.op_type) for node in model.graph.node)


def quantised_formats(model: Any) -> tuple[str, ...]:
    """Number formats that the graph's own Q/DQ nodes quantise to, as ``builder.precision`` names them, sorted.

    Biases in int32 and weights in int4, which kernels widen before they multiply, are no engine's format.
    """
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.value_info)}
    kinds |= {tensor.name: tensor.data_type for tensor in _constants(model).values()}
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
    constants = _constants(model)
    shifted = (
        node.input[0]
        for node in model.graph.node
        if node.op_type in _QUANTISERS and len(node.input) > 2 and node.input[2] in constants
        if onnx.numpy_helper.to_array(constants[node.input[2]]).astype(np.float32).any()
    )
    return list(dict.fromkeys(shifted))


def dequantise_biases(model: Any) -> None:
    """Put float biases in the place of those that the graph dequantises from int32, which the libraries do not take.

    Exact: a bias is then what its DequantizeLinear computes, and libraries add it in float either way.
    """
    onnx = import_onnx()
    constants = _constants(model)
    for node in list(model.graph.node):
        if node.op_type != "DequantizeLinear" or any(name and name not in constants for name in node.input):
            continue
        if constants[node.input[0]].data_type != onnx.TensorProto.INT32:
            continue
        steps, scale, *rest = (onnx.numpy_helper.to_array(constants[name]) for name in node.input if name)
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


def _constants(model: Any) -> dict[str, Any]:
    """The graph's weights and the outputs of its Constant nodes, by name."""
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                found[node.output[0]] = attribute.t
    return found


def keep_output(model: Any, name: str | None) -> None:
    """Drop the outputs that nothing reads, where ``name`` says which is read.

    Raises:
        ConfigError: when the network has no output of the name, or none at all.
    """
    there = [output.name for output in model.graph.output]
    if not there:
        raise ConfigError([Problem("model.path", "has no outputs: export the network with what it computes")])
    if name is None:
        return
    if name not in there:
        message = f"is {name!r}, and the network has {', '.join(there)}"
        raise ConfigError([Problem("model.output_name", message, hint="set it to one of these")])
    kept = [output for output in model.graph.output if output.name == name]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    prune(model)


def set_batch(model: Any, batch: int | None) -> None:
    """Make the first dimension of inputs and outputs ``batch``, or free where it is None.

    Raises:
        ConfigError: when an input has no dimensions, another dimension is free, or the network's own batch is fixed at
            another number.
    """
    for tensor in inputs(model):
        if not tensor.type.tensor_type.shape.dim:
            message = f"says no dimensions of its input {tensor.name}: export it with the batch as a free first one"
            raise ConfigError([Problem("model.path", message)])
        first, *rest = tensor.type.tensor_type.shape.dim
        if any(dim.dim_value <= 0 for dim in rest):
            message = f"has free dimensions beyond the batch at its input {tensor.name}: fix them in the ONNX file"
            raise ConfigError([Problem("model.path", message)])
        if first.dim_value > 0 and first.dim_value != batch:
            message = f"has a fixed batch of {first.dim_value} at {tensor.name}: export it with a free first dimension"
            raise ConfigError([Problem("model.path", message)])
    for tensor in (*inputs(model), *model.graph.output):
        if not tensor.type.tensor_type.shape.dim:
            continue
        first = tensor.type.tensor_type.shape.dim[0]
        if batch is None:
            first.dim_param = "N"
        else:
            first.dim_value = batch
    del model.graph.value_info[:]


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
    model = at_opset(model, _QUANTISED_OPSET)
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


def cast(model: Any, dtype: str, *, cast_inputs: bool) -> Any:
    """The graph with every float32 tensor in fp16 or bf16; outputs stay float32.

    Args:
        model: a float32 graph, perhaps with Q/DQ nodes; changed in place where no newer opset is needed.
        dtype: ``fp16`` or ``bf16``.
        cast_inputs: whether the network itself casts its float32 inputs; else it takes them in ``dtype``.
    """
    onnx = import_onnx()
    kinds = onnx.TensorProto
    to = {"fp16": kinds.FLOAT16, "bf16": kinds.BFLOAT16}[dtype]
    if is_quantised(model):
        model = at_opset(model, _HALF_QUANTISED_OPSET)
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == kinds.FLOAT:
            tensor.CopyFrom(_narrowed(tensor, to))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == kinds.FLOAT:
                attribute.i = to
            if attribute.HasField("t") and attribute.t.data_type == kinds.FLOAT:
                attribute.t.CopyFrom(_narrowed(attribute.t, to))
    there = float_inputs(model)
    for tensor in inputs(model):
        if tensor.name in there and cast_inputs:
            _cast_input(graph, tensor.name, to, "cast")
        elif tensor.name in there:
            tensor.type.tensor_type.elem_type = to
    last = []
    for tensor in graph.output:
        if tensor.type.tensor_type.elem_type != kinds.FLOAT:
            continue
        name = f"{tensor.name}_narrow"
        for node in graph.node:
            _rename(node.output, tensor.name, name)
            _rename(node.input, tensor.name, name)
        last.append(onnx.helper.make_node("Cast", [name], [tensor.name], name=name, to=kinds.FLOAT))
    graph.node.extend(last)
    del graph.value_info[:]
    return model


def take_half(model: Any) -> None:
    """Take float32 inputs in fp16, half the bytes to copy, and widen them in the network."""
    onnx = import_onnx()
    there = float_inputs(model)
    for tensor in inputs(model):
        if tensor.name in there:
            tensor.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
            _cast_input(model.graph, tensor.name, onnx.TensorProto.FLOAT, "wide")


def _cast_input(graph: Any, name: str, to: int, suffix: str) -> None:
    """Let all nodes read an input from a Cast, which comes first."""
    cast = f"{name}_{suffix}"
    for node in graph.node:
        _rename(node.input, name, cast)
    graph.node.insert(0, import_onnx().helper.make_node("Cast", [name], [cast], name=cast, to=to))


def narrow_labels(model: Any) -> None:
    """Give out int64 outputs, classes and indices, as int32: half the bytes to copy."""
    onnx = import_onnx()
    for tensor in model.graph.output:
        if tensor.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            wide = f"{tensor.name}_wide"
            for node in model.graph.node:
                _rename(node.output, tensor.name, wide)
                _rename(node.input, tensor.name, wide)
            cast = onnx.helper.make_node("Cast", [wide], [tensor.name], name=f"{wide}_cast", to=onnx.TensorProto.INT32)
            model.graph.node.append(cast)
            tensor.type.tensor_type.elem_type = onnx.TensorProto.INT32


def at_opset(model: Any, least: int) -> Any:
    """The graph in an opset of ``least`` or newer.

    Raises:
        RunFailed: when onnx cannot convert it.
    """
    onnx = import_onnx()
    version = max((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), default=1)
    if version >= least:
        return model
    try:
        return onnx.version_converter.convert_version(model, least)
    except Exception as error:  # its exceptions share no base class
        raise RunFailed(f"The network has opset {version}, and onnx cannot bring it to {least}: {error}") from error


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


def _narrowed(tensor: Any, to: int) -> Any:
    onnx = import_onnx()
    values = onnx.numpy_helper.to_array(tensor)
    if to == onnx.TensorProto.FLOAT16:
        bits = np.clip(values, -65504, 65504).astype(np.float16).view(np.uint16)
    else:
        wide = np.ascontiguousarray(values, np.float32).view(np.uint32)
        bits = ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype(np.uint16)  # round half to even
    return onnx.helper.make_tensor(tensor.name, to, values.shape, bits.tobytes(), raw=True)


def _rename(names: Any, old: str, new: str) -> None:
    for place, name in enumerate(names):
        if name == old:
            names[place] = new


def prune(model: Any) -> None:
    """Remove nodes and weights that no output depends on. Inputs stay, less removed weights that are listed there."""
    needed = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    true_inputs = {tensor.name for tensor in inputs(model)}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    listed = [tensor for tensor in model.graph.input if tensor.name in true_inputs | needed]
    for field, left in ((model.graph.initializer, weights), (model.graph.input, listed)):
        del field[:]
        field.extend(left)
