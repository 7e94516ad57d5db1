"""Applicability: which fields have an effect in which case, and what is said of the others."""

from __future__ import annotations

import attrs
import pytest

from mlperf_registry import plugins
from mlperf_registry.schema.applicability import Case, inapplicable, refusal
from mlperf_registry.schema.cell import SCENARIO_NAMES
from mlperf_registry.schema.knob import Applies, knob, knob_of
from mlperf_registry.schema.sections import Builder, LoadGen, Triton
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import leaf_fields

BERT = Case("bert", "bert", "Offline", "native")
HARNESSES = {"native", "triton", "triton_unified", "hetero_mig", "triton_cpu"}


@attrs.frozen
class Section:
    anywhere: int = knob("Anywhere.", default=0)
    by_id: int = knob("One benchmark.", applies=Applies(benchmarks=("bert",)), default=0)
    served: int = knob("In Server.", applies=Applies(benchmarks=("llm",), scenarios=("server",)), default=0)
    on_gpu: int = knob("On a GPU.", applies=Applies(backends=("tensorrt",)), default=0)


def test_a_benchmark_is_named_by_family_or_by_id():
    assert inapplicable(Section, BERT) == {"served"}
    assert inapplicable(Section, attrs.evolve(BERT, benchmark="bert-mini")) == {"served"}
    assert inapplicable(Section, attrs.evolve(BERT, family="other")) == {"served"}
    assert inapplicable(Section, attrs.evolve(BERT, family="other", benchmark="other")) == {"by_id", "served"}


def test_what_is_not_known_excludes_nothing():
    assert inapplicable(Section, Case(None, None, None, None)) == set()


def test_scenarios_are_told_by_their_name_in_json():
    assert "served" not in inapplicable(Section, Case("gptj", "llm", "Server", "native"))
    assert {"server_target_qps"} <= inapplicable(LoadGen, BERT)
    assert "server_target_qps" not in inapplicable(LoadGen, attrs.evolve(BERT, scenario="Interactive"))


def test_triton_is_for_the_harnesses_with_a_server():
    assert inapplicable(Triton, BERT) >= {"instance_group_count", "use_triton"}
    assert "instance_group_count" not in inapplicable(Triton, attrs.evolve(BERT, harness="triton"))


def test_an_engine_library_is_an_axis_too():
    on_cpu = attrs.evolve(BERT, backend="onnxruntime")
    assert inapplicable(Section, on_cpu) == {"served", "on_gpu"}
    assert inapplicable(Section, attrs.evolve(BERT, backend="tensorrt")) == {"served"}
    assert refusal(Section, "on_gpu", on_cpu) == (
        "has no effect with backend onnxruntime",
        "it applies to backend tensorrt",
    )


def test_the_refusal_names_every_axis_at_fault_and_the_places_that_are_right():
    message, cure = refusal(Section, "served", BERT)
    assert message == "has no effect with benchmark bert and scenario offline"
    assert cure == "it applies to benchmarks of llm; scenario server"


@pytest.mark.parametrize("field", [*attrs.fields(Builder), *attrs.fields(LoadGen), *attrs.fields(Triton)])
def test_a_field_that_is_required_applies_everywhere(field):
    assert field.default is not attrs.NOTHING or knob_of(field).applies == Applies()


def test_every_name_in_an_applicability_is_a_name():
    classes = [Workload, *(plugins.load(one.options) for one in plugins.OUR_BENCHMARKS.values() if one.options)]
    for cls in classes:
        for path, field, _ in leaf_fields(cls):
            applies = knob_of(field).applies
            assert set(applies.benchmarks) <= plugins.OUR_BENCHMARKS.keys(), path
            assert set(applies.scenarios) <= SCENARIO_NAMES.keys(), path
            assert set(applies.harnesses) <= HARNESSES, path
            assert set(applies.backends) <= plugins.OUR_BACKENDS.keys(), path
