"""What the builder says of networks and values that no engine can be built of, each in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import ConfigError, RunFailed


def network(folder, shape=("N", 4), *, has_outputs=True, weights=None):
    """A network of one operator; returns its path."""
    read = ["image"] if weights is None else ["image", weights.name]
    made = helper.make_graph(
        [helper.make_node("Relu" if weights is None else "Add", read, ["label"])],
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["N", 4])] if has_outputs else [],
        [] if weights is None else [weights],
    )
    path = folder / "one.onnx"
    path.write_bytes(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    return path


@pytest.mark.parametrize("shape", [(), None], ids=["scalar", "no shape"])
def test_an_input_without_dimensions_is_named(build, tmp_path, shape):
    with pytest.raises(ConfigError, match=r"model\.path: says no dimensions of its input image: export it with"):
        build(network(tmp_path, shape))


@pytest.mark.parametrize("name", ["label", None])
def test_a_network_without_outputs_is_refused(build, tmp_path, name):
    with pytest.raises(ConfigError, match=r"model\.path: has no outputs: export the network"):
        build(network(tmp_path, has_outputs=False), model__output_name=name)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_tensor_that_lacks_values_is_named(build, tmp_path, precision):
    short = numpy_helper.from_array(np.ones(4, np.float32), "shortened")
    short.raw_data = short.raw_data[:8]
    with pytest.raises(RunFailed, match=r"one\.onnx is no ONNX network that can be read: its tensor shortened is dam"):
        build(network(tmp_path, weights=short), builder__precision=precision)


def test_a_fault_of_our_own_is_a_sentence_with_its_place_and_leaves_its_traceback_in_the_log(build, tmp_path):
    with pytest.raises(
        RunFailed, match=r"fault of this program, in compile\.py:\d+: TypeError: set_memory_"
    ) as failure:
        build(builder__workspace_size=10**30)
    assert "\n" not in str(failure.value) and len(str(failure.value)) < 450
    assert "Traceback" in (tmp_path / "build.log").read_text()


RTX = ("backend=tensorrt_rtx", "builder.gpu_batch_size=8")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("builder.workspace_size=100000000000000TiB", "builder.workspace_size: must be greater than 0, up to"),
        ("builder.compute_capability=8.65", "builder.compute_capability: must be from 1 to 99, with one digit after"),
        ("builder.compute_capability=8.64", "builder.compute_capability: must be from 1 to 99, with one digit after"),
        ("builder.compute_capability=100", "builder.compute_capability: must be from 1 to 99, with one digit after"),
    ],
)
def test_values_that_no_library_can_hold_are_refused(override, said):
    with pytest.raises(ConfigError, match=said):
        workload(override)


@pytest.mark.parametrize("capability", ["7.5", "8.6", "9", "12.0"])
def test_compute_capabilities_are_what_nvidia_calls_them(capability):
    assert workload(f"builder.compute_capability={capability}").builder.compute_capability == float(capability)


def workload(override):
    return Registry.load().get(
        system="generic_cpu", benchmark="resnet50-mini", scenario="offline", overrides=[*RTX, override]
    )
