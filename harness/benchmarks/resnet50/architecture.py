"""ResNet-50 v1.5 from its architecture, with random weights: speed can be measured where the trained model is not.

Layers, shapes and tensor names are those of MLPerf's model; batch norm is folded into the convolutions, as engines do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import attrs
import numpy as np
import numpy.typing as npt

from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import Model

SEED = 20261122
CLASSES = 1000
"""ImageNet's; a network with a ``label_offset`` has as many classes more."""
OPSET, IR_VERSION = 13, 8
"""Old on purpose: TensorRT 8.6's parser and onnx 1.13 take them."""
PIXEL_SPREAD = 60.0
"""Standard deviation of the pixels of photographs, 0 to 255; the first convolution brings it to 1."""

_RELU_VARIANCE = (1 - 1 / np.pi) / 2
"""Variance of ReLU(x) for a standard normal x."""
_BIAS_SPREAD = 0.2
_BRANCH_VARIANCE = 0.25
"""Of what a block adds to its input, so that sums grow as slowly as a trained network's."""


class Stage(NamedTuple):
    """Bottleneck blocks of one resolution; the first one's 3x3 convolution has the stride (v1 has it in its 1x1)."""

    blocks: int
    width: int
    """Channels of the 1x1 and 3x3 convolutions; the last 1x1 has four times as many."""
    stride: int


STAGES = (Stage(3, 64, 1), Stage(4, 128, 2), Stage(6, 256, 2), Stage(3, 512, 2))
EXPANSION = 4
STEM_CHANNELS = 64


def random_network(model: Model, options: ResNet50Options) -> bytes:
    """The ONNX file of a ResNet-50 v1.5 whose weights come from a fixed seed; the same each time.

    Filters sum to zero and are scaled so that activations keep a variance near 1 through all layers, without which
    random networks saturate fp16 and answer every image alike. Source: "scaled weight standardization", Brock, De and
    Smith, Characterizing signal propagation to close the performance gap in unnormalized ResNets, 2021.

    Args:
        model: ``input_name``, float32 [N, channels, height, width], and ``output_name``, the class, int64 [N].
        options: the image's size and scale, and whether class 0 is the background.

    Raises:
        ConfigError: when a name is not set.
    """
    problems = [
        Problem(f"model.{field}", "is not set, and the network that is made needs a name for it")
        for field in ("input_name", "output_name")
        if getattr(model, field) is None
    ]
    if problems:
        raise ConfigError(problems)
    assert model.input_name is not None and model.output_name is not None
    network = _Network()
    spread = PIXEL_SPREAD / float(np.mean(options.scale))
    stem = network.convolution(
        "stem",
        model.input_name,
        options.channels,
        STEM_CHANNELS,
        kernel=7,
        stride=2,
        variance=spread**-2,
        centred=False,
    )
    last = network.add("MaxPool", [network.relu(stem)], "pool1", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = STEM_CHANNELS
    for number, stage in enumerate(STAGES, start=1):
        for block in range(stage.blocks):
            last = _bottleneck(network, f"stage{number}_block{block + 1}", last, channels, stage, first=block == 0)
            channels = EXPANSION * stage.width
    pooled = network.add("GlobalAveragePool", [last], "pool5")
    features = network.add("Flatten", [pooled], "features")
    classes = CLASSES + options.label_offset
    # Averaging leaves little of the spread; what is left need not be of variance 1 to have a largest element.
    kernel = network.weight("dense_weight", network.filters((classes, channels), 1 / _RELU_VARIANCE, centred=True))
    logits = network.add("Gemm", [features, kernel, network.bias("dense_bias", classes)], "logits", transB=1)
    network.add("ArgMax", [logits], model.output_name, axis=1, keepdims=0)
    return network.serialized(model.input_name, (options.channels, options.height, options.width), model.output_name)


def _bottleneck(network: _Network, name: str, last: str, channels: int, stage: Stage, *, first: bool) -> str:
    """1x1, 3x3, 1x1, and the sum with the block's input; the first of a stage brings that to the new shape."""
    width, stride, outputs = stage.width, stage.stride if first else 1, EXPANSION * stage.width
    after_relu = 1 / _RELU_VARIANCE
    shared = after_relu / 2 if first else _BRANCH_VARIANCE * after_relu
    shortcut = last
    if first:
        shortcut = network.convolution(f"{name}_shortcut", last, channels, outputs, stride=stride, variance=shared)
    inner = network.relu(network.convolution(f"{name}_conv1", last, channels, width, variance=after_relu))
    inner = network.relu(
        network.convolution(f"{name}_conv2", inner, width, width, kernel=3, stride=stride, variance=after_relu)
    )
    inner = network.convolution(f"{name}_conv3", inner, width, outputs, variance=shared)
    return network.relu(network.add("Add", [inner, shortcut], f"{name}_sum"))


@attrs.define
class _Network:
    """An ONNX graph in the making; random numbers are drawn in the order of its layers."""

    _random: np.random.Generator = attrs.field(factory=lambda: np.random.default_rng(SEED))
    _nodes: list[tuple[str, list[str], str, dict[str, Any]]] = attrs.field(factory=list)
    _weights: dict[str, npt.NDArray[np.float32]] = attrs.field(factory=dict)

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One node; returns its output."""
        self._nodes.append((operator, inputs, output, attributes))
        return output

    def relu(self, name: str) -> str:
        """ReLU of an output."""
        return self.add("Relu", [name], f"{name}_relu")

    def convolution(
        self,
        name: str,
        last: str,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        variance: float,
        centred: bool = True,
    ) -> str:
        """A convolution with bias, padded so that stride 1 keeps the size."""
        filters = self.filters((outputs, inputs, kernel, kernel), variance, centred=centred)
        tensors = [last, self.weight(f"{name}_kernel", filters), self.bias(f"{name}_bias", outputs)]
        pads = [(kernel - 1) // 2] * 4
        return self.add("Conv", tensors, name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    def filters(self, shape: tuple[int, ...], variance: float, *, centred: bool) -> npt.NDArray[np.float32]:
        """Normal weights [outputs, ...], each filter's squares summing to ``variance``; centred ones sum to zero."""
        drawn = self._random.standard_normal((shape[0], int(np.prod(shape[1:]))), np.float32)
        if centred:
            drawn -= drawn.mean(axis=1, keepdims=True)
        drawn *= np.sqrt(variance / np.square(drawn).sum(axis=1, keepdims=True)).astype(np.float32)
        return drawn.reshape(shape)

    def bias(self, name: str, outputs: int) -> str:
        """Small random biases, as folded batch norms leave them."""
        return self.weight(name, self._random.standard_normal(outputs, np.float32) * np.float32(_BIAS_SPREAD))

    def weight(self, name: str, values: npt.NDArray[np.float32]) -> str:
        """A constant tensor; returns its name."""
        self._weights[name] = values
        return name

    def serialized(self, input_name: str, image: tuple[int, int, int], output_name: str) -> bytes:
        """The file's content; N is free."""
        from onnx import TensorProto, checker, helper, numpy_helper

        graph = helper.make_graph(
            [
                helper.make_node(operator, inputs, [output], output, **attributes)
                for operator, inputs, output, attributes in self._nodes
            ],
            "resnet50-v1.5-random",
            [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", *image])],
            [helper.make_tensor_value_info(output_name, TensorProto.INT64, ["N"])],
            [numpy_helper.from_array(values, name) for name, values in self._weights.items()],
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="mlperf-registry",
        )
        helper.set_model_props(made, {"weights": "random", "seed": str(SEED)})
        checker.check_model(made)
        content: bytes = made.SerializeToString()
        return content
