"""Trains the network of resnet50-mini on Fashion-MNIST and writes it as ONNX: ``python train.py``, see README.md here.

It stands alone: PyTorch and onnx are needed to make model.onnx again, never to run it.
"""

from __future__ import annotations

import argparse
import gzip
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

DATA = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the four files."""
EPOCHS = 9
SEED = 20261121
HELD_OUT = 5_000
"""Training images kept for choosing anything at all; the test set is scored once, at the very end."""
BATCH = 128
PEAK_LEARNING_RATE = 0.1
WEIGHT_DECAY = 5e-4
SHIFT = 2
"""Pixels that augmentation moves an image by, at most."""
CLASSES = 10
MEAN, SCALE = 72.94, 90.02
"""Of the pixels of the training set, 0 to 255; ``benchmark.options.mean`` and ``.scale`` of resnet50-mini."""
BATCH_NORM_EPSILON = 1e-5
OPSET, IR_VERSION = 13, 8
"""Old on purpose: what onnxruntime 1.16 and onnx 1.13 still load."""


class Layer(NamedTuple):
    """A 3x3 convolution, batch norm, the sum with an earlier output where ``skip`` says so, and ReLU."""

    inputs: int
    outputs: int
    stride: int = 1
    skip: int = 0
    """How many outputs back the summand lies; 0 for none."""


LAYERS = (
    Layer(1, 16),
    Layer(16, 48, stride=2),
    Layer(48, 48),
    Layer(48, 48, skip=2),
    Layer(48, 96, stride=2),
    Layer(96, 96),
    Layer(96, 96, skip=2),
    Layer(96, 192, stride=2),
)


class Images(NamedTuple):
    """Pixels of 0 to 255, uint8 [n, 28, 28], and classes, int64 [n]."""

    pixels: torch.Tensor
    labels: torch.Tensor


class BatchNorm(NamedTuple):
    """What one batch norm learns and remembers, each [outputs]."""

    gain: torch.Tensor
    bias: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor


class Network(NamedTuple):
    """All weights; convolutions [outputs, inputs, 3, 3], the dense layer [classes, features]."""

    kernels: list[torch.Tensor]
    norms: list[BatchNorm]
    dense: torch.Tensor
    dense_bias: torch.Tensor

    def learned(self) -> list[torch.Tensor]:
        """What the optimiser moves."""
        return [
            *self.kernels,
            *(part for norm in self.norms for part in (norm.gain, norm.bias)),
            self.dense,
            self.dense_bias,
        ]


class Folded(NamedTuple):
    """The network that is shipped: batch norm multiplied into the convolutions."""

    kernels: list[torch.Tensor]
    biases: list[torch.Tensor]
    dense: torch.Tensor
    dense_bias: torch.Tensor


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array in a gzipped idx file of unsigned bytes."""
    with gzip.open(path) as file:
        content = file.read()
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_images(folder: Path, split: str) -> Images:
    """One of the two sets: train or t10k."""
    pixels = read_idx(folder / f"{split}-images-idx3-ubyte.gz").copy()
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz").astype(np.int64)
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels))


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Network input, float32 [n, 1, 28, 28]."""
    return ((pixels.float() - MEAN) / SCALE).unsqueeze(1).contiguous(memory_format=torch.channels_last)


def augmented(pixels: torch.Tensor) -> torch.Tensor:
    """Each image moved by up to SHIFT pixels along both axes, and every other one mirrored."""
    count, height, width = pixels.shape
    padded = functional.pad(pixels, (SHIFT, SHIFT, SHIFT, SHIFT))
    rows = torch.randint(0, 2 * SHIFT + 1, (count, 1, 1)) + torch.arange(height).view(1, -1, 1)
    columns = torch.arange(width).expand(count, -1)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns, width - 1 - columns)
    columns = (columns + torch.randint(0, 2 * SHIFT + 1, (count, 1))).view(count, 1, width)
    return padded[torch.arange(count).view(-1, 1, 1), rows, columns]


def initial() -> Network:
    """He initialisation; the sums of residual blocks start without their inner branch."""
    kernels, norms = [], []
    for layer in LAYERS:
        kernel = torch.empty(layer.outputs, layer.inputs, 3, 3).contiguous(memory_format=torch.channels_last)
        torch.nn.init.kaiming_normal_(kernel, mode="fan_out", nonlinearity="relu")
        gain = torch.zeros(layer.outputs) if layer.skip else torch.ones(layer.outputs)
        bias, mean, variance = torch.zeros(layer.outputs), torch.zeros(layer.outputs), torch.ones(layer.outputs)
        kernels.append(kernel)
        norms.append(BatchNorm(gain, bias, mean, variance))
    dense = torch.empty(CLASSES, LAYERS[-1].outputs)
    torch.nn.init.kaiming_uniform_(dense, nonlinearity="linear")
    network = Network(kernels, norms, dense, torch.zeros(CLASSES))
    for part in network.learned():
        part.requires_grad_()
    return network


def training_logits(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Logits [n, classes] with the batch's own statistics, which the running ones follow."""
    outputs = [images]
    for layer, kernel, norm in zip(LAYERS, network.kernels, network.norms, strict=True):
        sums = functional.conv2d(outputs[-1], kernel, stride=layer.stride, padding=1)
        sums = functional.batch_norm(
            sums, norm.mean, norm.variance, norm.gain, norm.bias, training=True, eps=BATCH_NORM_EPSILON
        )
        outputs.append(functional.relu(sums + outputs[-layer.skip] if layer.skip else sums))
    return functional.linear(outputs[-1].mean((2, 3)), network.dense, network.dense_bias)


def folded(network: Network) -> Folded:
    """The network for inference."""
    kernels, biases = [], []
    for kernel, norm in zip(network.kernels, network.norms, strict=True):
        factor = norm.gain.detach() / torch.sqrt(norm.variance + BATCH_NORM_EPSILON)
        kernels.append(kernel.detach() * factor.view(-1, 1, 1, 1))
        biases.append(norm.bias.detach() - norm.mean * factor)
    return Folded(kernels, biases, network.dense.detach(), network.dense_bias.detach())


def accuracy(network: Folded, images: Images) -> float:
    """Share of images, in percent, whose class is the network's first choice."""
    right = 0
    with torch.inference_mode():
        for pixels, labels in zip(images.pixels.split(500), images.labels.split(500), strict=True):
            outputs = [normalised(pixels)]
            for layer, kernel, bias in zip(LAYERS, network.kernels, network.biases, strict=True):
                sums = functional.conv2d(outputs[-1], kernel, bias, stride=layer.stride, padding=1)
                outputs.append(functional.relu(sums + outputs[-layer.skip] if layer.skip else sums))
            logits = functional.linear(outputs[-1].mean((2, 3)), network.dense, network.dense_bias)
            right += int((logits.argmax(1) == labels).sum())
    return 100 * right / len(images.labels)


def train(images: Images, held_out: Images) -> Folded:
    """EPOCHS passes of SGD under a one-cycle learning rate."""
    network = initial()
    steps = len(images.labels) // BATCH
    optimiser = torch.optim.SGD(
        network.learned(), PEAK_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LEARNING_RATE, total_steps=EPOCHS * steps)
    started = time.monotonic()
    for epoch in range(EPOCHS):
        for chosen in torch.randperm(len(images.labels))[: steps * BATCH].split(BATCH):
            logits = training_logits(network, normalised(augmented(images.pixels[chosen])))
            loss = functional.cross_entropy(logits, images.labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        score = accuracy(folded(network), held_out)
        print(f"epoch {epoch + 1}/{EPOCHS}: held-out {score:.2f} %, {time.monotonic() - started:.0f} s", flush=True)
    return folded(network)


def onnx_model(network: Folded, facts: dict[str, str]) -> onnx.ModelProto:
    """``input`` float32 [N, 1, 28, 28] to ``logits`` float32 [N, 10] and ``label`` int64 [N]."""
    nodes, weights, outputs = [], [], ["input"]

    def weight(name: str, values: torch.Tensor) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(values.numpy()), name))
        return name

    for number, (layer, kernel, bias) in enumerate(zip(LAYERS, network.kernels, network.biases, strict=True), start=1):
        last = f"conv{number}"
        inputs = [outputs[-1], weight(f"{last}_kernel", kernel), weight(f"{last}_bias", bias)]
        nodes.append(
            helper.make_node(
                "Conv", inputs, [last], last, pads=[1] * 4, strides=[layer.stride] * 2, kernel_shape=[3, 3]
            )
        )
        if layer.skip:
            nodes.append(helper.make_node("Add", [last, outputs[-layer.skip]], [f"sum{number}"], f"sum{number}"))
            last = f"sum{number}"
        nodes.append(helper.make_node("Relu", [last], [f"relu{number}"], f"relu{number}"))
        outputs.append(f"relu{number}")
    dense = [weight("dense_weight", network.dense), weight("dense_bias", network.dense_bias)]
    nodes += [
        helper.make_node("GlobalAveragePool", [outputs[-1]], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten"),
        helper.make_node("Gemm", ["features", *dense], ["logits"], "dense", transB=1),
        helper.make_node("ArgMax", ["logits"], ["label"], "argmax", axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "resnet50-mini",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES]),
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        ],
        weights,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="resnet50-mini/train.py",
    )
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Train, score the test set once, write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the four Fashion-MNIST files")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "model.onnx", help="file to write")
    arguments = parser.parse_args()

    torch.manual_seed(SEED)
    whole = read_images(arguments.data, "train")
    order = torch.randperm(len(whole.labels))
    held_out = Images(*(part[order[:HELD_OUT]] for part in whole))
    network = train(Images(*(part[order[HELD_OUT:]] for part in whole)), held_out)

    score = f"{accuracy(network, read_images(arguments.data, 't10k')):.2f}"
    print(f"test: {score} %")
    facts = {"dataset": "Fashion-MNIST", "epochs": str(EPOCHS), "seed": str(SEED), "test_accuracy_percent": score}
    arguments.out.write_bytes(onnx_model(network, facts).SerializeToString())


if __name__ == "__main__":
    main()
