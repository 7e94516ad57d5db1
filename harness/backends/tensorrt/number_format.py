"""Number formats of a graph's tensors: all of them in fp16 or bf16, or its inputs and labels alone in fewer bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.backends.tensorrt.graph import at_opset, float_inputs, import_onnx, inputs, rename
from harness.backends.tensorrt.qdq import is_quantised

_HALF_SCALES_OPSET = 19
"""First in which scales of Q/DQ nodes may be fp16."""


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
        model = at_opset(model, _HALF_SCALES_OPSET)
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
            rename(node.output, tensor.name, name)
            rename(node.input, tensor.name, name)
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


def narrow_labels(model: Any) -> None:
    """Give out int64 outputs, classes and indices, as int32: half the bytes to copy."""
    onnx = import_onnx()
    for tensor in model.graph.output:
        if tensor.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            wide = f"{tensor.name}_wide"
            for node in model.graph.node:
                rename(node.output, tensor.name, wide)
                rename(node.input, tensor.name, wide)
            cast = onnx.helper.make_node("Cast", [wide], [tensor.name], name=f"{wide}_cast", to=onnx.TensorProto.INT32)
            model.graph.node.append(cast)
            tensor.type.tensor_type.elem_type = onnx.TensorProto.INT32


def _cast_input(graph: Any, name: str, to: int, suffix: str) -> None:
    """Let all nodes read an input from a Cast, which comes first."""
    cast = f"{name}_{suffix}"
    for node in graph.node:
        rename(node.input, name, cast)
    graph.node.insert(0, import_onnx().helper.make_node("Cast", [name], [cast], name=cast, to=to))


def _narrowed(tensor: Any, to: int) -> Any:
    onnx = import_onnx()
    values = onnx.numpy_helper.to_array(tensor)
    if to == onnx.TensorProto.FLOAT16:
        bits = np.clip(values, -65504, 65504).astype(np.float16).view(np.uint16)
    else:
        wide = np.ascontiguousarray(values, np.float32).view(np.uint32)
        bits = ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype(np.uint16)  # round half to even
    return onnx.helper.make_tensor(tensor.name, to, values.shape, bits.tobytes(), raw=True)
