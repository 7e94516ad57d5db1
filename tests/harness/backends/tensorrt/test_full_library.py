"""A build by full TensorRT: what each version of the library is asked for, and what its refusals become.

The library needs a GPU even to be asked, so a stand-in with the bindings of 8.6, 10 and 11 answers for it.
"""

from __future__ import annotations

import itertools
import re
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness.backends.tensorrt import graph, qdq
from harness.backends.tensorrt.calibration import CalibrationCache, read_cache
from harness.backends.tensorrt.compile import compile_plan
from harness.backends.tensorrt.gpu import Gpu
from harness.backends.tensorrt.inspection import read_inspection
from harness.backends.tensorrt.record import read_record
from mlperf_registry.schema.problem import ConfigError, MlperfError, NotReady, RunFailed
from tests.harness.backends.tensorrt.mini_network import MINI, MINI_CACHE, engine_of, make_recipe
from tests.harness.backends.tensorrt.residual_network import ResidualNetwork
from tests.harness.backends.tensorrt.stand_in_tensorrt import VERSIONS, make_tensorrt

EIGHT, TEN, ELEVEN = VERSIONS
FLAGGED = (EIGHT, TEN)
"""Versions that are told number formats by flags."""
TYPED = (TEN, ELEVEN)
"""Versions that can take them from the graph."""
GPU = Gpu("NVIDIA Stand-in", "9.0")
INT8 = {"builder__precision": "int8"}


class Case:
    """One version of the library, and a folder for its engines."""

    def __init__(self, trt, folder):
        self.trt, self.folder, self.told = trt, folder, []

    def build(self, model=MINI, cache=MINI_CACHE, *, into="engine", **changes):
        """What the library was asked for last; keywords are values of the recipe, ``__`` for a dot."""
        here = {"builder__compute_capability": None, **changes}
        recipe = make_recipe(model, cache, backend="tensorrt", device=str(GPU), **here)
        self.engine = self.folder / into
        self.engine.mkdir(exist_ok=True)
        compile_plan(recipe, self.engine / "engine.plan", self.told.append)
        return self.trt.builds[-1]

    @property
    def record(self):
        return read_record(engine_of(self.engine))

    @property
    def timings(self):
        """Files of timings beside the engines."""
        return [path for path in self.folder.iterdir() if path.is_file()]


@pytest.fixture
def case(request, monkeypatch, tmp_path):
    trt = make_tensorrt(request.param)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    for user in ("compile", "library", "plan"):
        module = f"harness.backends.tensorrt.{user}.require_gpu"
        monkeypatch.setattr(module, lambda index=0: GPU, raising=False)
    return Case(trt, tmp_path)


def on(*versions):
    """The test once for each of the versions; of a pair, the second is the test's ``expected``."""
    if isinstance(versions[0], str):
        return pytest.mark.parametrize("case", versions, indirect=True)
    return pytest.mark.parametrize(("case", "expected"), versions, indirect=["case"])


def quantised(folder, kind=TensorProto.INT8):
    """A convolution with Q/DQ nodes around it, whose zero points are of a kind; returns its path."""
    if kind == TensorProto.INT8:
        model = qdq.quantise(graph.load(MINI), read_cache(str(MINI_CACHE)).scales, int8_input=False)
    else:
        model = _one_convolution(kind)
    path = folder / "quantised.onnx"
    onnx.save(model, path)
    return path


def _one_convolution(kind):
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.1])
    zero = helper.make_tensor("zero", kind, [], [0.0])
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [2, 1, 3, 3], np.ones(18).tolist())
    nodes = []
    for name in ("input", "weights"):
        nodes.append(helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", "scale", "zero"], [f"{name}_dq"]))
    nodes.append(helper.make_node("Conv", ["input_dq", "weights_dq"], ["label"], kernel_shape=[3, 3]))
    made = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["N", 2, 6, 6])],
        [scale, zero, weights],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


# What networks are made of.


@on((EIGHT, {"EXPLICIT_BATCH"}), (TEN, {"EXPLICIT_BATCH"}), (ELEVEN, {"STRONGLY_TYPED"}))
def test_networks_have_the_batch_in_their_shape(case, expected):
    built = case.build()
    assert built.creation == expected
    assert built.inputs["input"].shape == (-1, 1, 28, 28)
    assert built.outputs["label"].shape == (-1,)


@on(*VERSIONS)
def test_a_plan_its_record_and_its_layers_are_written(case):
    case.build()
    record, found = case.record, read_inspection(engine_of(case.engine))
    assert (case.engine / "engine.plan").stat().st_size
    assert (record.backend, record.library_version, record.device) == ("tensorrt", case.trt.__version__, str(GPU))
    assert [(one.name, one.dtype, one.is_input) for one in record.tensors] == [
        ("input", "float32", True),
        ("label", "int32", False),  # half of int64's bytes to copy, where the library has int64
    ]
    assert {layer.name for layer in found.layers} >= {"conv1", "relu8", "dense"}
    assert found.activation_bytes == 4096
    assert case.trt.builds[-1].verbosity == "DETAILED"  # or nothing of the above is in the plan


# Number formats.


@pytest.mark.parametrize(
    ("precision", "flags"),
    [("fp32", set()), ("fp16", {"FP16"}), ("int8", {"INT8", "FP16"})],
)
@on(*FLAGGED)
def test_flags_say_the_precision(case, precision, flags):
    built = case.build(builder__precision=precision)
    assert built.flags == flags
    assert set(built.tensors.values()) <= {"FLOAT", "INT32", "INT64"}, "the graph itself stays as it is"
    assert case.record.precision == precision


@on(TEN)
def test_bf16_is_a_flag_of_ten(case):
    assert case.build(builder__precision="bf16").flags == {"BF16"}


@on(EIGHT)
def test_bf16_is_refused_where_the_library_lacks_it(case):
    with pytest.raises(ConfigError, match=r"bf16, which TensorRT 8\.6\.1 does not have") as refusal:
        case.build(builder__precision="bf16")
    assert refusal.value.problems[0].path == "builder.precision"
    assert not case.trt.builds


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "FLOAT"), ("fp16", "HALF"), ("bf16", "BF16")])
@pytest.mark.parametrize(
    ("case", "asked"), [(TEN, True), (ELEVEN, False)], indirect=["case"], ids=["asked for", "the only way"]
)
def test_the_graph_says_the_precision(case, asked, precision, kind):
    built = case.build(builder__precision=precision, builder__strongly_typed=asked)
    assert "STRONGLY_TYPED" in built.creation and not built.flags
    assert {built.tensors[f"conv{number}"] for number in range(1, 9)} == {kind}
    assert built.inputs["input"].dtype == "FLOAT"


@pytest.mark.parametrize(
    ("case", "asked"), [(TEN, True), (ELEVEN, False)], indirect=["case"], ids=["asked for", "the only way"]
)
def test_an_int8_graph_has_its_quantisers_from_the_calibration_cache(case, asked):
    built = case.build(**INT8, builder__strongly_typed=asked)
    assert "STRONGLY_TYPED" in built.creation and not built.flags and not built.ranges
    assert built.operators.count("DequantizeLinear") > built.operators.count("QuantizeLinear") >= 9
    assert built.tensors["input_quantised"] == "INT8"
    assert built.inputs["input"].dtype == "FLOAT"


@on(EIGHT)
def test_eight_builds_nothing_strongly_typed(case):
    with pytest.raises(ConfigError, match=r"TensorRT 8\.6\.1 does not have") as refusal:
        case.build(builder__strongly_typed=True)
    assert refusal.value.problems[0].path == "builder.strongly_typed"


@on((EIGHT, {"FP8", "FP16"}), (TEN, {"FP8", "FP16"}), (ELEVEN, set()))
def test_fp8_goes_with_quantisers_of_its_type(case, expected, tmp_path):
    built = case.build(quantised(tmp_path, TensorProto.FLOAT8E4M3FN), None, builder__precision="fp8")
    assert built.flags == expected and not built.ranges
    assert built.tensors["input_q"] == "FP8"


@on(*VERSIONS)
def test_fp8_without_quantisers_is_refused(case):
    with pytest.raises(ConfigError) as refusal:
        case.build(builder__precision="fp8")
    assert [problem.path for problem in refusal.value.problems] == ["builder.precision"]


# Ranges.


@on(*FLAGGED)
def test_every_tensor_has_the_range_that_the_cache_says(case):
    built = case.build(**INT8)
    scales = read_cache(str(MINI_CACHE)).scales
    named = {name: ends for name, ends in built.ranges.items() if not name.startswith("(Unnamed")}
    assert set(named) == set(scales)
    for name, (low, high) in named.items():
        assert high == pytest.approx(127 * scales[name]) and low == -high


@on(*FLAGGED)
def test_constants_and_what_reshapes_them_have_their_own_range(case):
    built = case.build(**INT8)
    model = onnx.load(MINI)
    values = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    weights, bias = (float(np.abs(values[name]).max()) for name in ("dense_weight", "dense_bias"))
    constants = sorted(high for name, (_, high) in built.ranges.items() if "[Constant]" in name)
    assert constants == pytest.approx(sorted([weights, bias]))
    (shuffled,) = (high for name, (_, high) in built.ranges.items() if "[Shuffle]" in name)
    assert shuffled == pytest.approx(bias)


@on(*FLAGGED)
def test_a_range_of_zero_is_none(case, tmp_path):
    cache = read_cache(str(MINI_CACHE))
    path = tmp_path / "zero.cache"
    path.write_text(CalibrationCache({**cache.scales, "conv3": 0.0}).text())
    ranges = case.build(cache=path, **INT8).ranges
    assert "conv3" not in ranges and "relu3" in ranges


@on(*FLAGGED)
def test_constants_of_zeros_have_no_range(case, tmp_path):
    model = onnx.load(MINI)
    bias = next(one for one in model.graph.initializer if one.name == "dense_bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.zeros(bias.dims, np.float32), bias.name))
    path = tmp_path / "zeros.onnx"
    onnx.save(model, path)
    ranges = case.build(path, **INT8).ranges
    assert all(high > 0 for _, high in ranges.values())
    assert sum("[Constant]" in name for name in ranges) == 1, "that of the weights"


@on(*FLAGGED)
def test_a_graph_with_quantisers_needs_no_ranges(case, tmp_path):
    built = case.build(quantised(tmp_path), None, **INT8)
    assert built.flags == {"INT8", "FP16"} and not built.ranges


@on(*FLAGGED)
def test_nvidias_plugins_are_used_where_the_library_has_them(case, tmp_path):
    network = ResidualNetwork()
    del network.model.graph.value_info[:]
    for value in (*network.model.graph.input, *network.model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    model, cache = tmp_path / "residual.onnx", tmp_path / "residual.cache"
    onnx.save(network.model, model)
    cache.write_text(CalibrationCache(network.scales).text())
    asked = {**INT8, "model__output_name": "end_out"}
    assert not any(one.endswith("_TRT") for one in case.build(model, cache, **asked).operators)
    case.trt.creators += [SimpleNamespace(name=name) for name in ("RnRes2FullFusion_TRT", "SmallTileGEMM_TRT")]
    operators = case.build(model, cache, **asked).operators
    assert [one for one in operators if one.endswith("_TRT")] == ["RnRes2FullFusion_TRT", "SmallTileGEMM_TRT"]
    assert "1 of NVIDIA's RnRes2FullFusion_TRT" in case.told


# Inputs and outputs.


@on(*VERSIONS)
def test_inputs_and_outputs_are_rows_side_by_side(case):
    built = case.build()
    assert built.inputs["input"].formats == built.outputs["label"].formats == {"LINEAR"}


@on(*VERSIONS)
def test_fp16_inputs(case):
    assert case.build(builder__input_dtype="fp16").inputs["input"].dtype == "HALF"
    assert case.record.inputs[0].dtype == "float16"


@pytest.mark.parametrize("layout", ["linear", "chw4", "chw32"])
@on(*VERSIONS)
def test_int8_inputs_and_their_layout(case, layout):
    built = case.build(**INT8, builder__input_dtype="int8", builder__input_format=layout)
    assert (built.inputs["input"].dtype, built.inputs["input"].formats) == ("INT8", {layout.upper()})
    (image,) = case.record.inputs
    assert (image.dtype, image.format) == ("int8", layout)
    assert image.scale == pytest.approx(2.02 / 127, rel=0.01)


# Batches and profiles.


@on(*VERSIONS)
def test_a_profile_for_each_stream_from_one_sample_to_the_batch(case):
    built = case.build(runtime__gpu_inference_streams=3)
    shapes = {"input": ((1, 1, 28, 28), (64, 1, 28, 28), (64, 1, 28, 28))}
    assert built.profiles == (shapes, shapes, shapes)
    assert (case.record.profiles, case.record.max_batch, case.record.static_batch) == (3, 64, False)


@on(*VERSIONS)
def test_static_batches_have_no_other_size(case):
    built = case.build(builder__static_batch=True)
    assert built.inputs["input"].shape == (64, 1, 28, 28)
    assert built.profiles == ({"input": ((64, 1, 28, 28),) * 3},)
    assert case.record.static_batch


# The builder's configuration.


@on(*VERSIONS)
def test_what_is_not_set_is_left_to_the_library(case):
    built = case.build()
    assert (built.workspace, built.level, built.sources, built.device, built.dla_core) == (None, 3, None, "GPU", -1)
    assert not built.flags - {"FP16"} and not built.libraries


@on(*VERSIONS)
def test_workspace_and_level_of_optimisation(case):
    built = case.build(builder__workspace_size=5 << 30, builder__optimization_level=5)
    assert (built.workspace, built.level) == (5 << 30, 5)


@on(*VERSIONS)
def test_tactic_sources_are_those_named(case):
    sources = ["edge_mask_convolutions", "jit_convolutions"]
    assert case.build(builder__tactic_sources=sources).sources == {one.upper() for one in sources}
    assert case.build(builder__tactic_sources=sources[1:]).sources == {"JIT_CONVOLUTIONS"}


@on(*FLAGGED)
def test_cudnn_is_a_source_before_eleven(case):
    assert case.build(builder__tactic_sources=["cudnn"]).sources == {"CUDNN"}


@on(ELEVEN)
def test_a_source_that_is_gone_names_those_that_are_left(case):
    with pytest.raises(ConfigError, match="edge_mask_convolutions, jit_convolutions, and no cudnn") as refusal:
        case.build(builder__tactic_sources=["cudnn"])
    assert refusal.value.problems[0].path == "builder.tactic_sources"


@on(*VERSIONS)
def test_a_version_compatible_plan_can_be_inspected(case):
    assert "VERSION_COMPATIBLE" in case.build(builder__version_compatible=True).flags
    assert read_inspection(engine_of(case.engine)).layers


@on(*VERSIONS)
def test_a_dla_takes_its_own_batch_and_leaves_to_the_gpu_what_it_cannot(case):
    case.trt.dla_cores = 2
    built = case.build(builder__dla_core=1, builder__dla_batch_size=8)
    assert (built.device, built.dla_core) == ("DLA", 1)
    assert "GPU_FALLBACK" in built.flags
    assert built.profiles == ({"input": ((8, 1, 28, 28),) * 3},)
    assert (case.record.max_batch, case.record.static_batch) == (8, True)
    assert case.trt.loads == [1], "the plan is loaded, to be inspected, on the DLA that it is for"


@on(*VERSIONS)
def test_a_dla_that_is_not_there_names_its_field(case):
    case.trt.dla_cores = 1
    with pytest.raises(MlperfError, match=r"builder\.dla_core"):
        case.build(builder__dla_core=1, builder__dla_batch_size=8)


@on(*VERSIONS)
def test_only_rtx_builds_for_gpus_that_are_not_here(case):
    with pytest.raises(ConfigError, match="builds only for the GPU that is here") as refusal:
        case.build(builder__compute_capability=8.6)
    assert refusal.value.problems[0].path == "builder.compute_capability"


# Plug-in libraries.


@on(*VERSIONS)
def test_plugin_libraries_are_loaded_before_the_network_is_parsed(case, tmp_path):
    library = tmp_path / "layers.so"
    library.write_bytes(b"\x7fELF")
    assert case.build(builder__plugin_libraries=[str(library)]).libraries == (str(library),)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "which is not there"), (b"no library", "does not load the plug-in library")]
)
@on(*VERSIONS)
def test_a_plugin_library_that_does_not_load_is_named(case, tmp_path, content, said):
    library = tmp_path / "layers.so"
    if content is not None:
        library.write_bytes(content)
    with pytest.raises(NotReady, match=rf"{said}|{re.escape(str(library))}.*{said}"):
        case.build(builder__plugin_libraries=[str(library)])
    assert not case.trt.builds


# The timing cache.


@on(*VERSIONS)
def test_timings_of_a_build_serve_the_next_of_its_kind(case):
    assert case.build(into="first").timings == b""
    assert case.build(into="second").timings == b"timed;"
    assert case.build(into="third").timings == b"timed;timed;"
    assert case.build(into="other", **INT8).timings == b"", "another precision has other kernels"


@on(*VERSIONS)
def test_timings_on_a_share_of_the_gpu_are_their_own(case):
    case.build(into="whole")
    assert case.build(into="share", builder__active_sms=60).timings == b""
    assert case.build(into="again", builder__active_sms=60).timings == b"timed;"


@on(*VERSIONS)
def test_a_build_that_fails_with_timings_goes_without_them(case):
    case.build(into="first")
    case.trt.refuse = lambda build: "Internal error (node_of_x not found)" if build.timings else None
    assert case.build(into="second").timings == b""
    assert [build.timings for build in case.trt.builds] == [b"", b"timed;", b""]
    assert any("without the timings" in told for told in case.told)
    (kept,) = case.timings
    assert kept.read_bytes() == b"timed;", "the refused timings are gone"
    assert (case.engine / "engine.plan").exists()


@on(*VERSIONS)
def test_a_build_that_fails_without_timings_fails_once(case):
    case.trt.refuse = lambda build: "Internal error"
    with pytest.raises(RunFailed, match="built no engine: Internal error"):
        case.build()
    assert len(case.trt.builds) == 1 and not case.timings


# Progress.


@on(TEN, ELEVEN)
def test_progress_is_told_of_the_outermost_phase(case, monkeypatch):
    clock = itertools.count(0, 60)  # a minute goes by each time that someone looks
    monkeypatch.setattr("harness.backends.tensorrt.monitor.time", SimpleNamespace(monotonic=lambda: next(clock)))
    case.build()
    shares = [int(found[1]) for told in case.told if (found := re.search(r"(\d+) ?%", told))]
    assert shares == [17, 33, 50, 67, 83, 100]


@on(EIGHT)
def test_a_library_without_a_monitor_builds_in_silence(case):
    case.build()
    assert case.told == ["reading the network", "building"]


# What refusals become.


@on(*VERSIONS)
def test_a_node_that_does_not_parse_is_named(case, tmp_path):
    model = onnx.load(MINI)
    node = next(node for node in model.graph.node if node.op_type == "GlobalAveragePool")
    node.op_type, node.name = "NoSuchOperator", "strange"
    path = tmp_path / "strange.onnx"
    onnx.save(model, path)
    with pytest.raises(RunFailed, match=r"does not parse .*strange\.onnx: node \d+, NoSuchOperator 'strange': Plugin"):
        case.build(path)


@on(*VERSIONS)
def test_a_build_that_fails_says_what_the_library_logged(case):
    case.trt.refuse = lambda build: "Could not find any implementation for node conv1"
    with pytest.raises(RunFailed, match=rf"TensorRT {case.trt.__version__} built no engine: Could not .* node conv1"):
        case.build()


@on(*VERSIONS)
def test_a_build_that_fails_in_silence_says_that(case):
    case.trt.refuse = lambda build: ""
    with pytest.raises(RunFailed, match="built no engine, and does not say why"):
        case.build()


@pytest.mark.parametrize("said", ["Requested amount of GPU memory (9000 bytes) could not be allocated", "OutOfMemory"])
@on(*VERSIONS)
def test_a_build_that_lacks_memory_says_what_to_lower(case, said):
    case.trt.refuse = lambda build: said
    with pytest.raises(RunFailed, match=rf"{re.escape(said)}.*1\.0 GiB.*builder\.gpu_batch_size") as failure:
        case.build(builder__workspace_size=1 << 30)
    assert "builder.workspace_size" in str(failure.value)


@on(*VERSIONS)
def test_a_workspace_that_is_too_small_is_named(case):
    case.trt.refuse = lambda build: "Could not find any implementation for node conv1 due to insufficient workspace"
    with pytest.raises(RunFailed, match=r"builder\.workspace_size"):
        case.build(builder__workspace_size=1024)


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("refuse_sources", "refuses the tactic sources jit_convolutions"),
        ("refuse_profiles", "refuses an optimisation profile"),
        ("refuse_builders", "makes no Builder"),
    ],
)
@on(*VERSIONS)
def test_a_call_that_answers_no_is_a_sentence(case, refused, said):
    setattr(case.trt, refused, True)
    with pytest.raises(RunFailed, match=rf"TensorRT {case.trt.__version__} {said}"):
        case.build(builder__tactic_sources=["jit_convolutions"])
