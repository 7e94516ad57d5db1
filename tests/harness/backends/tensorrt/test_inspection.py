"""What the library's inspector says of a plan's layers, as TensorRT words it; a real plan is in test_builder.py."""

from __future__ import annotations

import json

from harness.backends.tensorrt.inspection import read_layers
from mlperf_registry.schema.engine import Layer

CONVOLUTION = {
    "Name": "conv1 + relu1",
    "LayerType": "CaskConvolution",
    "ParameterType": "Convolution",
    "Inputs": [{"Name": "input", "Dimensions": [8, 3, 224, 224], "Format/Datatype": "Row major Int8 format"}],
    "Outputs": [{"Name": "relu1", "Format/Datatype": "Thirty-two wide channel vectorized row major Int8 format"}],
    "TacticName": "sm80_xmma_fprop",
    "Metadata": "[ONNX Layer: conv1]\u001e[ONNX Layer: relu1]",
}


def test_a_layer_with_all_details():
    (layer,) = read_layers([json.dumps(CONVOLUTION)])
    assert layer == Layer(
        name="conv1 + relu1",
        kind="Convolution",
        inputs=("Row major Int8 format",),
        outputs=("Thirty-two wide channel vectorized row major Int8 format",),
        made_of=("conv1", "relu1"),
        tactic="sm80_xmma_fprop",
    )


def test_a_layer_without_details_is_a_name():
    assert read_layers(['"conv1 + relu1"']) == (Layer(name="conv1 + relu1", kind="unknown"),)


def test_a_layer_of_which_the_library_says_no_json_has_the_name_and_kind_that_can_be_read():
    broken = '{"Name": "RnRes2FullFusion_TRT_a", "LayerType": "PluginV2", "Inputs": [], "Alpha": nan(ind), }'
    before, plugin, after = read_layers([json.dumps(CONVOLUTION), broken, "conv2"])
    assert before.kind == "Convolution"
    assert (plugin.name, plugin.kind) == ("RnRes2FullFusion_TRT_a", "PluginV2")
    assert after == Layer(name="conv2", kind="unknown")


def test_control_characters_in_a_text_are_no_fault():
    (layer,) = read_layers(['{"Name": "conv1", "LayerType": "Reformat", "Metadata": "[ONNX Layer: conv1]\x1e"}'])
    assert layer.made_of == ("conv1",)


def test_an_engine_of_no_layers_says_nothing():
    assert read_layers([]) == ()
