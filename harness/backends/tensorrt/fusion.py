"""Fusions: parts of a residual network that TensorRT's plug-in library has one int8 kernel for, put in their place.

The plug-ins and their fields are those of NVIDIA's submissions (closed/NVIDIA, code/resnet50/tensorrt). Parts are found
by their form, not by name, so that any export of the network is served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt import graph
from harness.backends.tensorrt.calibration import STEPS
from harness.backends.tensorrt.library import Library

STAGE, TILE = "RnRes2FullFusion_TRT", "SmallTileGEMM_TRT"
CAPABILITIES: dict[str, tuple[str, ...]] = {
    STAGE: ("7.5", "8.0", "8.6", "8.7", "8.9", "9.0"),
    TILE: ("8.0", "8.6", "8.7", "8.9", "9.0"),
}
"""Plug-in to the compute capabilities whose kernels it has: where NVIDIA's submissions use it."""

_STAGE_WIDTH, _STAGE_INPUTS, _STAGE_OUTPUTS, _STAGE_AREA = 64, 64, 256, (56, 56)
"""The first stage of ResNet-50, the only one that the plug-in's kernel is made for."""
_STAGE_BLOCKS = "abc"

Array = npt.NDArray[Any]
Ranges = Mapping[str, float]


def usable(library: Library, values: Mapping[str, Any], capability: str) -> tuple[str, ...]:
    """The plug-ins that a build may use: registered in the library, with kernels for the GPU, and not switched off.

    Args:
        library: its plug-ins are registered.
        values: of the recipe.
        capability: compute capability of the GPU that is built for.
    """
    if values.get("builder.skip_graphsurgeon") or values.get("builder.dla_core") is not None:
        return ()
    registered = {creator.name for creator in library.trt.get_plugin_registry().plugin_creator_list}
    unwanted = {TILE} if values.get("builder.disable_beta1_smallk") else set()
    return tuple(
        plugin for plugin, there in CAPABILITIES.items() if capability in there and plugin in registered - unwanted
    )


def fuse(model: Any, scales: Mapping[str, float], plugins: tuple[str, ...]) -> Counter[str]:
    """Put plug-ins in the place of the parts that they compute.

    Args:
        model: an fp32 ONNX graph with inferred shapes; changed in place.
        scales: tensor to real value of one int8 step; a part of whose tensors one is missing stays as it is.
        plugins: those that may be used.

    Returns:
        How many nodes of each plug-in there are now.
    """
    ranges = {name: scale * STEPS for name, scale in scales.items()}
    made: Counter[str] = Counter()
    for plugin, replace in _FUSIONS.items():
        if plugin not in plugins:
            continue
        # Anew for each, since the one before has changed the graph.
        parts = _Parts.of(model)
        for position, node in enumerate(list(model.graph.node)):
            fused = replace(parts, node, ranges)
            if fused is not None:
                model.graph.node[position].CopyFrom(fused)
                made[plugin] += 1
        graph.prune(model)
    return made


@attrs.frozen
class _Convolution:
    """A convolution with bias, square, undilated and of one group."""

    input: str
    output: str
    weights: Array
    """Shape [outputs, inputs, kernel, kernel]."""
    bias: Array
    stride: int

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def kernel(self) -> int:
        return int(self.weights.shape[2])


@attrs.frozen
class _Block:
    """A bottleneck: 1x1, 3x3 and 1x1 convolution, and the sum with the shortcut."""

    convolutions: tuple[_Convolution, _Convolution, _Convolution]
    shortcut: _Convolution | None
    """None where the block's input itself is added."""
    input: str
    output: str

    @property
    def is_of_stage(self) -> bool:
        """Whether its convolutions have the shapes of the stage that the plug-in knows."""
        first, second, third = self.convolutions
        width, outputs = _STAGE_WIDTH, _STAGE_OUTPUTS
        return (
            all(one.stride == 1 for one in self.convolutions)
            and (first.kernel, second.kernel, third.kernel) == (1, 3, 1)
            and (first.outputs, second.outputs, third.outputs) == (width, width, outputs)
        )


@attrs.frozen
class _Parts:
    """A graph, for those who look for parts in it."""

    producers: dict[str, Any]
    weights: dict[str, Any]
    readers: Counter[str]
    areas: dict[str, tuple[int, int]]
    """Height and width of the tensors whose shape was inferred."""

    @classmethod
    def of(cls, model: Any) -> _Parts:
        areas = {}
        for value in (*model.graph.input, *model.graph.value_info):
            dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            if len(dims) == 4:
                areas[value.name] = (dims[2], dims[3])
        read = [name for node in model.graph.node for name in node.input]
        return cls(
            producers={name: node for node in model.graph.node for name in node.output},
            weights={tensor.name: tensor for tensor in model.graph.initializer},
            readers=Counter([*read, *(output.name for output in model.graph.output)]),
            areas=areas,
        )

    def convolution(self, name: str) -> _Convolution | None:
        """The convolution that alone makes a tensor."""
        node = self.producers.get(name)
        if node is None or node.op_type != "Conv" or len(node.input) != 3:
            return None
        if any(weight not in self.weights for weight in node.input[1:]):
            return None
        from onnx import helper, numpy_helper

        weights, bias = (numpy_helper.to_array(self.weights[weight]) for weight in node.input[1:])
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        kernel, strides = weights.shape[2:], list(given.get("strides", [1, 1]))
        if (
            len(kernel) != 2
            or kernel[0] != kernel[1]
            or strides[0] != strides[1]
            or given.get("group", 1) != 1
            or set(given.get("dilations", [1])) != {1}
            or set(given.get("pads", [0])) != {(kernel[0] - 1) // 2}
        ):
            return None
        return _Convolution(node.input[0], name, weights, bias, strides[0])

    def before_relu(self, name: str) -> str | None:
        """What a ReLU made the tensor of."""
        node = self.producers.get(name)
        return node.input[0] if node is not None and node.op_type == "Relu" else None

    def residual(self, node: Any) -> tuple[_Convolution, str] | None:
        """Of ReLU(convolution + other): the convolution, read by nobody else, and the name of the other."""
        if node.op_type != "Relu":
            return None
        total = self.producers.get(node.input[0])
        if total is None or total.op_type != "Add" or self.readers[total.output[0]] != 1:
            return None
        # The branch ends in a 1x1 convolution of stride 1; so may the shortcut of a first stage, which comes second.
        for one, other in (tuple(total.input), tuple(reversed(total.input))):
            convolution = self.convolution(one)
            if convolution is None or self.readers[one] != 1 or (convolution.kernel, convolution.stride) != (1, 1):
                continue
            if self.before_relu(convolution.input) is not None and other not in self.weights:
                return convolution, other
        return None

    def block(self, node: Any) -> _Block | None:
        """The bottleneck that ends with a ReLU."""
        found = self.residual(node)
        if found is None:
            return None
        third, other = found
        chain = [third]
        for _ in range(2):
            inner = self.before_relu(chain[0].input)
            before = self.convolution(inner) if inner is not None and self.readers[inner] == 1 else None
            if before is None or self.readers[chain[0].input] != 1:
                return None
            chain.insert(0, before)
        first, second, third = chain
        shortcut = None if other == first.input else self.convolution(other)
        if shortcut is None and other != first.input:
            return None
        if shortcut is not None and (shortcut.input != first.input or self.readers[other] != 1):
            return None
        return _Block((first, second, third), shortcut, first.input, node.output[0])


def _stage(parts: _Parts, node: Any, ranges: Ranges) -> Any | None:
    """The plug-in for the whole first stage of ResNet-50 whose last ReLU this is."""
    blocks: list[_Block] = []
    last: Any = node
    while last is not None and len(blocks) < len(_STAGE_BLOCKS):
        block = parts.block(last)
        if block is None or not block.is_of_stage:
            return None
        blocks.insert(0, block)
        # A tensor within the stage must be read within it alone: by the next block's branch and its sum.
        last = parts.producers.get(block.input) if parts.readers[block.input] == 2 else None
    if len(blocks) < len(_STAGE_BLOCKS) or any(block.shortcut is not None for block in blocks[1:]):
        return None
    entry = blocks[0].shortcut
    if entry is None or (entry.kernel, entry.stride, entry.inputs) != (1, 1, _STAGE_INPUTS):
        return None
    if parts.areas.get(blocks[0].input) != _STAGE_AREA:
        return None
    names = [blocks[0].input, entry.output]
    for block in blocks:
        _, second, third = block.convolutions
        names += [second.input, third.input, third.output, block.output]
    if any(name not in ranges for name in names):
        return None
    fields = {**_kernel("res2a_br1", entry), "dynamic_ranges": [ranges[name] for name in names]}
    for letter, block in zip(_STAGE_BLOCKS, blocks, strict=True):
        for branch, convolution in zip("abc", block.convolutions, strict=True):
            fields |= _kernel(f"res2{letter}_br2{branch}", convolution)
        fields[f"r_res2{letter}_br2c_r"] = np.ones(_STAGE_OUTPUTS)
    return _node(STAGE, [blocks[0].input], blocks[-1].output, fields)


def _kernel(name: str, convolution: _Convolution) -> dict[str, Any]:
    """Weights, scale and bias of one convolution within a stage; batch norm's scale is in the weights already."""
    return {
        f"c_{name}_w": convolution.weights,
        f"s_{name}_s": np.ones(convolution.outputs),
        f"s_{name}_b": convolution.bias,
    }


def _tile(parts: _Parts, node: Any, ranges: Ranges) -> Any | None:
    """The plug-in for a 1x1 convolution, the sum with its block's shortcut, and the ReLU that this is."""
    found = parts.residual(node)
    if found is None:
        return None
    convolution, other = found
    names = [convolution.input, node.output[0], other]
    if any(name not in ranges for name in names):
        return None
    fields = {
        "inputChannels": np.array([convolution.inputs], np.int32),
        "filterDimR": np.array([1], np.int32),
        "filterDimS": np.array([1], np.int32),
        "weight": convolution.weights,
        "bias": convolution.bias,
        "scale": np.ones(convolution.outputs),
        "rescale": np.ones(convolution.outputs),
        "dynamicRanges": [ranges[name] for name in names],
        "epilogueScaleBiasBetaRelu": np.array([1], np.int32),
        "fairShareCacheSize": np.array([0], np.int32),
    }
    return _node(TILE, [convolution.input, other], node.output[0], fields)


def _node(plugin: str, inputs: list[str], output: str, fields: Mapping[str, Any]) -> Any:
    from onnx import helper, numpy_helper

    tensors = {}
    for name, values in fields.items():
        array = np.asarray(values)
        array = np.ascontiguousarray(array, np.int32 if array.dtype == np.int32 else np.float32)
        tensors[name] = numpy_helper.from_array(array, name)
    return helper.make_node(
        plugin, inputs, [output], f"{plugin}_{output}", plugin_version="1", plugin_namespace="", **tensors
    )


_FUSIONS: dict[str, Callable[[_Parts, Any, Ranges], Any | None]] = {STAGE: _stage, TILE: _tile}
"""In this order: what is left of a stage's parts once the stage is one node, is none."""
