"""The structurer: strict types, every problem at once, and an exact way back."""

from __future__ import annotations

import copy
import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry import plugins
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.knob import at_least, knob
from mlperf_registry.schema.plugin import BackendPlugin, BenchmarkPlugin
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import leaf_fields, structure, unstructure

TREE = {
    "round": "v6.1",
    "tuned_round": "none",
    "system": {"id": "generic_cpu", "devices": ["cpu"]},
    "benchmark": {
        "id": "resnet50-mini",
        "family": "resnet50",
        "mini": True,
        "rules_as": "resnet50",
        "loadgen_key": "resnet50",
        "components": ["resnet50"],
        "scenarios": ["server"],
        "accuracy_targets": ["k_99"],
        "harnesses": ["native"],
        "backends": ["onnxruntime"],
        "accuracy_metric": "acc",
        "options": {
            "image_source": "idx",
            "height": 28,
            "width": 28,
            "channels": 1,
            "mean": [72.9],
            "scale": [90],
        },
    },
    "scenario": {"name": "Server", "first_try_min_query_count": 1},
    "accuracy_target": {"name": "0.99", "fraction": 0.99},
    "power_setting": {"name": "MaxP"},
    "harness": {"name": "native"},
    "backend": {"name": "onnxruntime", "device": "cpu"},
    "mode": {"name": "explore", "strict": False},
    "builder": {"gpu_batch_size": 64, "precision": {"resnet50": "fp32"}},
    "runtime": {"deque_timeout_usec": 2000},
    "loadgen": {"min_duration": "10s", "server_target_latency_ns": "15ms"},
    "model": {"path": "m.onnx", "input_name": "input", "output_name": "label"},
    "data": {"path": "d", "sample_count": 10_000},
    "power": {},
}


def problems(tree):
    with pytest.raises(ConfigError) as caught:
        structure(Workload, tree)
    return {problem.path: problem for problem in caught.value.problems}


def changed(path, value):
    tree = copy.deepcopy(TREE)
    *parents, last = path.split(".")
    node = tree
    for name in parents:
        node = node.setdefault(name, {})
    node[last] = value
    return tree


def test_units_become_numbers_in_the_canonical_unit():
    workload = structure(Workload, TREE)
    assert workload.loadgen.min_duration == 10_000
    assert workload.loadgen.server_target_latency_ns == 15_000_000
    assert workload.runtime.deque_timeout_usec == 2000


def test_a_scalar_stands_for_the_only_component():
    assert structure(Workload, TREE).builder.gpu_batch_size == {"resnet50": 64}


def test_canonical_json_comes_back_equal():
    workload = structure(Workload, TREE)
    again = structure(Workload, json.loads(json.dumps(unstructure(workload))), canonical=True)
    assert again == workload and hash(again) == hash(workload)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("builder.gpu_batch_size", 32.7, "whole number"),
        ("builder.gpu_batch_size", 0, "must be from 1 to 16777216 samples"),
        ("builder.gpu_batch_size", "64", "whole number"),
        ("builder.gpu_batch_size", True, "whole number"),
        ("builder.precision", "fp33", "must be one of fp32"),
        ("loadgen.min_duration", 2_400_000, "of what?"),
        ("loadgen.min_duration", "7GiB", "quantity"),
        ("loadgen.server_target_qps", -1, "greater than 0"),
        ("loadgen.server_target_qps", float("nan"), "number"),
        ("builder.force_build_engines", "false", "true or false"),
        ("builder.force_build_engines", 1, "true or false"),
        ("model.path", 7, "text"),
        ("system.devices", "cpu", "list"),
        ("benchmark.options.mean", [1, "x"], "number"),
        ("benchmark.options.height", 0, "must be 1 or more pixels"),
        ("data", 3, "section"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_at_its_path(path, value, message):
    found = problems(changed(path, value))
    assert list(found) == [path]
    assert message in found[path].message


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("builder.gpu_batchsize", "gpu_batch_size"),
        ("lodgen", "loadgen"),
        ("benchmark.options.heigth", "height"),
        ("builder.gpu_batch_size", "resnet50"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(path, near):
    value = {"resnet5": 3} if path == "builder.gpu_batch_size" else 1
    (problem,) = problems(changed(path, value)).values()
    assert near in (problem.hint or "")


def test_every_problem_is_in_one_report_with_its_origin():
    tree = changed("builder.gpu_batch_size", 32.7)
    tree["runtime"]["use_grahps"] = True
    del tree["model"]
    with pytest.raises(ConfigError) as caught:
        structure(Workload, tree, origin=lambda path: ("a.yaml", len(path)))
    found = {problem.path: (problem.origin, problem.line) for problem in caught.value.problems}
    assert found == {
        "builder.gpu_batch_size": ("a.yaml", 2),
        "runtime.use_grahps": ("a.yaml", 2),
        "model": ("a.yaml", 1),
    }


def test_one_value_for_several_components_is_refused_with_their_names():
    tree = changed("benchmark.components", ["clip1", "unet", "vae"])
    tree["builder"]["precision"] = {"clip1": "fp16"}
    assert "clip1: ..., unet: ..., vae: ..." in (problems(tree)["builder.gpu_batch_size"].hint or "")


@pytest.mark.parametrize(
    ("path", "value", "cure"),
    [
        ("runtime.use_graphs", True, "backend tensorrt, tensorrt_rtx, tensorrt_llm"),
        ("builder.input_dtype", "fp32", "backend tensorrt, "),
        ("builder.workspace_size", "1GiB", "backend tensorrt, tensorrt_rtx"),
        ("power.power_limit", 300, "backend tensorrt, tensorrt_rtx, tensorrt_llm, tensorrt_edgellm, vllm"),
        ("loadgen.offline_expected_qps", 9, "scenario offline"),
        ("triton.instance_group_count", 2, "harness triton, "),
        ("builder.use_fp8", True, "benchmarks of bert, llm"),
        ("llm.tensor_parallelism", 2, "benchmarks of llm, "),
        ("llm.trtllm_build_flags", {"max_seq_len": 2048}, "benchmarks of llm, "),
    ],
)
def test_a_field_set_where_it_has_no_effect_is_refused_with_the_place_where_it_has(path, value, cure):
    (problem,) = problems(changed(path, value)).values()
    assert problem.path.startswith(path)
    assert "has no effect with" in problem.message and cure in (problem.hint or "")
    assert structure(Workload, changed(path, None))


def test_a_field_without_effect_is_one_problem_whatever_its_value():
    with pytest.raises(ConfigError) as caught:
        structure(Workload, changed("runtime.use_graphs", "many"))
    (problem,) = caught.value.problems
    assert "has no effect with" in problem.message


def test_an_empty_section_sets_nothing():
    assert structure(Workload, changed("llm", {"trtllm_build_flags": {}})) == structure(Workload, TREE)


def test_a_family_that_is_not_ours_may_read_any_field(monkeypatch):
    tree = changed("llm.tensor_parallelism", 2)
    tree["benchmark"] = {**tree["benchmark"], "family": "theirs", "options": None}
    theirs = BenchmarkPlugin(family="theirs")
    monkeypatch.setattr(plugins, "benchmarks", lambda: {"theirs": theirs})
    assert structure(Workload, tree).llm.tensor_parallelism == 2


def test_a_backend_that_is_not_ours_may_read_any_field_and_says_which_formats_it_has(monkeypatch):
    tree = changed("runtime.use_graphs", True)
    tree["backend"]["name"] = "theirs"
    theirs = BackendPlugin(name="theirs", builder=None, runner=None, reads=(), precisions=("fp16", "fp8"))
    monkeypatch.setattr(plugins, "backends", lambda: {"theirs": theirs})
    (problem,) = problems(tree).values()
    assert (problem.path, problem.message) == ("builder.precision.resnet50", "theirs has fp16, fp8, not fp32")
    tree["builder"]["precision"] = "fp8"
    assert structure(Workload, tree).runtime.use_graphs


@pytest.mark.parametrize("precision", ["int8", {"resnet50": "int8"}])
def test_a_number_format_that_the_library_lacks_is_refused_with_what_it_has(precision):
    (problem,) = problems(changed("builder.precision", precision)).values()
    assert problem.message == "onnxruntime has fp32, not int8"
    assert problem.hint == "builder.precision=fp32"
    on_gpu = changed("builder.precision", precision)
    on_gpu["backend"] = {"name": "tensorrt", "device": "gpu"}
    assert structure(Workload, on_gpu).builder.precision == {"resnet50": "int8"}


def test_random_weights_need_code_that_builds_the_network(monkeypatch):
    unable = attrs.evolve(plugins.OUR_BENCHMARKS["resnet50"], random_weights=None)
    monkeypatch.setattr(plugins, "benchmarks", lambda: {"resnet50": unable})
    (problem,) = problems(changed("model.weights", "random")).values()
    assert problem.path == "model.weights" and "family resnet50" in problem.message


def test_random_weights_have_no_accuracy_to_measure():
    tree = changed("model.weights", "random")
    assert structure(Workload, tree).test_mode == "PerformanceOnly"
    tree["loadgen"] = {**tree.get("loadgen", {}), "test_mode": "AccuracyOnly"}
    (problem,) = problems(tree).values()
    assert problem.path == "loadgen.test_mode"


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("builder.gpu_batch_size", 2**24),
        ("runtime.deque_timeout_usec", 60_000_000),
        ("runtime.gpu_inference_streams", 4096),
        ("runtime.load_timeout", "1000h"),
        ("loadgen.min_duration", "1000h"),
        ("loadgen.server_target_latency_ns", 2**62),
        ("loadgen.server_target_qps", 10**9),
        ("loadgen.min_query_count", 2**62),
        ("loadgen.max_query_count", 2**62),
        ("loadgen.performance_sample_count_override", 2**31),
        ("loadgen.qsl_rng_seed", 2**64 - 1),
        ("loadgen.schedule_rng_seed", 2**64 - 1),
        ("backend.options.intra_op_threads", 4096),
    ],
)
def test_a_number_beyond_what_loadgen_or_a_library_holds_is_refused(path, most):
    assert structure(Workload, changed(path, most))
    (problem,) = problems(changed(path, "1001h" if most == "1000h" else most + 1)).values()
    shown = 3_600_000_000 if most == "1000h" else most
    assert problem.path == path and f"to {shown}" in problem.message


def test_a_bare_precision_holds_for_all_components_and_dlas_have_engines_of_their_own():
    tree = changed("benchmark.components", ["clip1", "unet"])
    tree["benchmark"]["dla_components"] = ["backbone"]
    tree["builder"] = {"precision": "fp8", "gpu_batch_size": {"clip1": 1, "unet": 2}, "dla_batch_size": {"backbone": 2}}
    tree["scenario"]["name"] = "Offline"
    tree["backend"] = {"name": "tensorrt", "device": "gpu"}
    del tree["loadgen"]["server_target_latency_ns"]
    builder = structure(Workload, tree).builder
    assert builder.precision == {"clip1": "fp8", "unet": "fp8"}
    assert builder.dla_batch_size == {"backbone": 2}


def test_an_unknown_family_names_the_known_ones():
    assert "resnet50" in (problems(changed("benchmark.family", "resnet51"))["benchmark.family"].hint or "")


def test_every_leaf_of_the_schema_has_a_doc_that_is_a_sentence():
    owned = [plugin.options for plugin in (*plugins.OUR_BENCHMARKS.values(), *plugins.OUR_BACKENDS.values())]
    for cls in (Workload, *(plugins.load(target) for target in owned if target)):
        for path, field, _ in leaf_fields(cls):
            doc = field.metadata["knob"].doc
            assert doc.endswith("."), ".".join(path)


junk = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from([".".join(path) for path, _, _ in leaf_fields(Workload)]), value=junk)
def test_any_value_at_any_leaf_either_fits_or_is_refused_by_name(path, value):
    try:
        workload = structure(Workload, changed(path, value))
    except ConfigError as error:
        assert any(problem.path.startswith(path.split(".")[0]) for problem in error.problems)
    else:
        assert structure(Workload, unstructure(workload), canonical=True) == workload


def test_a_check_runs_on_each_component():
    @attrs.frozen
    class Section:
        size: PerComponent[int] = knob("Size.", check=at_least(1))

    with pytest.raises(ConfigError, match="must be 1 or more"):
        structure(Section, {"size": {"a": 3, "b": 0}})
