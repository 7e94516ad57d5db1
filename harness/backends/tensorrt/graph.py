"""The ONNX graph that a library parses: what is in it, and what the builder changes before, batch and outputs first.

``number_format`` and ``qdq`` change what they are named after: libraries without precision flags read both from the
graph alone, and those with flags get it nearly as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed


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
        for name, tensor in constants(model).items():
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


def constants(model: Any) -> dict[str, Any]:
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


def rename(names: Any, old: str, new: str) -> None:
    """Put one name in the place of another, among a node's inputs or outputs."""
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
