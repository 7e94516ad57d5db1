"""Each round's file is complete, speaks our vocabulary, and gives the numbers that the submission checker computes."""

from __future__ import annotations

import time

import attrs
import pytest
import yaml

from mlperf_registry.rules import round as rounds
from mlperf_registry.rules.round import load_round, newest_round_of, round_names, rounds_of
from mlperf_registry.schema.cell import SCENARIO_NAMES, TARGET_NAMES
from mlperf_registry.schema.problem import ConfigError


def test_rounds_are_in_order_of_age() -> None:
    assert round_names() == ("v5.1", "v6.1")


@pytest.mark.parametrize("name", round_names())
def test_every_name_in_a_round_is_one_of_ours(name: str) -> None:
    round_ = load_round(name)
    assert round_.round == name
    assert set(round_.sources) == {"checker", "mlperf_conf", "rules", "power"}
    for benchmark in round_.benchmarks.values():
        assert set(benchmark.categories) <= {"datacenter", "edge", "datacenter,edge"}
        assert set(benchmark.targets) <= set(TARGET_NAMES)
        assert all(target.accuracy for target in benchmark.targets.values())
        assert benchmark.performance_sample_count <= benchmark.dataset_size


@pytest.mark.parametrize("name", round_names())
def test_every_scenario_that_may_be_submitted_is_complete(name: str) -> None:
    round_ = load_round(name)
    for benchmark in round_.benchmarks.values():
        for scenario in {scenario for category in benchmark.categories.values() for scenario in category.scenarios}:
            rules = round_.scenario(benchmark, scenario)
            assert None not in (rules.min_duration, rules.percentile, rules.min_query_count, rules.metric)
            if scenario in ("server", "interactive"):
                assert (
                    (rules.ttft_latency is not None)
                    == (rules.tpot_latency is not None)
                    == benchmark.use_token_latencies
                )


def test_resnet50_in_v6_1() -> None:
    round_ = load_round("v6.1")
    resnet50 = round_.benchmarks["resnet50"]
    assert (resnet50.dataset_size, resnet50.performance_sample_count, resnet50.offline_min_samples) == (
        50_000,
        1024,
        24_576,
    )
    assert round_.scenario(resnet50, "server").target_latency == 15_000_000
    assert round_.scenario(resnet50, "offline").min_query_count == 24_576
    assert round_.scenario(resnet50, "multistream").min_query_count == 662
    assert resnet50.targets["k_99"].directory == "resnet"
    assert resnet50.targets["k_99"].accuracy[0].bound.min == 76.46 * 0.99
    assert round_.loadgen_wheels[0] == "6.0.17"


def test_bounds_keep_the_operands_of_the_checker() -> None:
    bounds = {
        metric.metric: metric.bound for metric in load_round("v5.1").benchmarks["mixtral-8x7b"].targets["k_99"].accuracy
    }
    assert bounds["TOKENS_PER_SAMPLE"].min == 144.84 * 0.9
    assert bounds["TOKENS_PER_SAMPLE"].max == 145.9 * 1.1
    sdxl = load_round("v6.1").benchmarks["stable-diffusion-xl"].targets["k_99"].accuracy[0].bound
    assert (sdxl.min, sdxl.max) == (31.68631873, 31.81331801)


def test_seeds_are_exact_integers() -> None:
    assert attrs.astuple(load_round("v6.1").seeds) == (2085463073848966840, 2747215439041700203, 16159082839903944936)


def test_rounds_of_a_benchmark() -> None:
    assert rounds_of("resnet50") == ("v5.1", "v6.1")
    assert rounds_of("retinanet") == ("v5.1",)
    assert (newest_round_of("resnet50"), newest_round_of("dlrm-v2"), newest_round_of("lenet")) == ("v6.1", "v5.1", None)


def test_an_unknown_round_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_round("v6.2")
    (problem,) = caught.value.problems
    assert problem.path == "round"
    assert problem.hint == "did you mean 'v6.1'? known: v5.1, v6.1"


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML was built without libyaml")
def test_a_round_is_read_quickly() -> None:
    rounds._tree.cache_clear()
    load_round.cache_clear()
    start = time.perf_counter()
    load_round("v6.1")
    assert time.perf_counter() - start < 0.05
    assert set(SCENARIO_NAMES) == {field.name for field in attrs.fields(rounds.ScenarioTable)}
