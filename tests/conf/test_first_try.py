"""A first try of a language model is short, says by how much it is smaller, and leaves a submission as it is."""

from __future__ import annotations

import pytest

from mlperf_registry import Registry
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.plan import Plan

LANGUAGE_MODELS = (
    "deepseek-r1",
    "gpt-oss-120b",
    "gptj",
    "llama2-70b",
    "llama2-70b-interactive",
    "llama3.1-405b",
    "llama3.1-8b",
    "llama3.1-8b-edge",
    "llama3.1-8b-mini",
    "mixtral-8x7b",
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


def plan(registry: Registry, benchmark: str, mode: str, *overrides: str) -> Plan:
    return make_plan(registry.get(benchmark=benchmark, mode=mode, overrides=list(overrides)))


@pytest.mark.parametrize("benchmark", LANGUAGE_MODELS)
@pytest.mark.parametrize("mode", ["explore", "test_run"])
def test_a_performance_run_goes_through_a_few_samples_and_an_accuracy_run_through_all(
    registry: Registry, benchmark: str, mode: str
) -> None:
    tried, submitted = plan(registry, benchmark, mode), plan(registry, benchmark, "submission")
    whole = submitted.performance.performance_sample_count_override
    held = 16 if benchmark.endswith("-mini") else 64
    assert tried.performance.sample_concatenate_permutation, "LoadGen goes through all that are held"
    assert tried.performance.performance_sample_count_override == held < whole
    for setting in ("performance_sample_count_override", "accuracy_sample_count_override"):
        assert getattr(tried.accuracy, setting) == getattr(submitted.accuracy, setting)
    (said,) = [breach.message for breach in tried.breaches if breach.rule == "performance-sample-count"]
    assert said == f"must be {whole} or more, is {held}"


def test_it_is_explained_where_the_number_is_from(registry: Registry) -> None:
    (found,) = registry.explain("loadgen.performance_sample_count_override", ["benchmark=llama3.1-8b"])
    assert (found.value, found.chain[-1].origin) == (64, "conf/mode/explore.yaml")
    assert found.chain[-1].value == "${benchmark.first_try_sample_count}"


def test_who_says_otherwise_is_heard(registry: Registry) -> None:
    asked = "loadgen.performance_sample_count_override=1000"
    settings = plan(registry, "llama3.1-8b", "explore", asked).performance
    assert settings.performance_sample_count_override == 1000


@pytest.mark.parametrize("benchmark", ["resnet50", "resnet50-mini"])
def test_where_a_run_is_short_anyway_it_holds_what_a_submission_does(registry: Registry, benchmark: str) -> None:
    tried, submitted = (plan(registry, benchmark, mode).performance for mode in ("explore", "submission"))
    assert tried.performance_sample_count_override == submitted.performance_sample_count_override
