"""A residual network for tests: the first stage of ResNet-50, and a block of the second after it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from harness.backends.tensorrt import graph


class ResidualNetwork:
    """Weights are drawn with a fixed seed; ``scales`` are of no meaning, and one for each tensor."""

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
