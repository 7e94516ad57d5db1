"""Each round's file is complete, speaks our vocabulary, and gives the numbers that the submission checker computes."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import pytest
import yaml

from mlperf_registry.rules import round as rounds
from mlperf_registry.rules.round import (
    BenchmarkRules,
    Round,
    benchmark_ids,
    load_round,
    newest_round_of,
    read_yaml,
    round_names,
    round_text,
    rounds_of,
    targets_of,
)
from mlperf_registry.schema.cell import SCENARIO_NAMES, TARGET_NAMES
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.structure import structure

MINUTE = 60_000
MS = 1_000_000

ROUNDS = {
    #        schedule seed, shortest run, singlestream, server, multistream count, newest wheel, benchmarks
    "v0.7": (3135815929913719677, MINUTE, 1024, 270_336, 270_336, None, 7),
    "v1.0": (3507442325620259414, 10 * MINUTE, 1024, 270_336, 270_336, None, 7),
    "v1.1": (10051496985653635065, 10 * MINUTE, 1024, 270_336, 270_336, None, 7),
    "v2.0": (12662793979680847247, 10 * MINUTE, 1024, 270_336, 270_336, None, 7),
    "v2.1": (299063814864929621, 10 * MINUTE, 1024, 270_336, 270_336, None, 6),
    "v3.0": (12134888396634371638, 10 * MINUTE, 1024, 270_336, 270_336, None, 6),
    "v3.1": (811580660758947900, 10 * MINUTE, 100, 100, 662, None, 8),
    "v4.0": (7575108116881280410, 10 * MINUTE, 100, 100, 662, None, 9),
    "v4.1": (14962580496156340209, 10 * MINUTE, 100, 100, 662, "5.0.7", 9),
    "v5.0": (9933818062894767841, 10 * MINUTE, 100, 100, 662, "5.0.21", 13),
    "v5.1": (18209322760996052031, 10 * MINUTE, 100, 100, 662, "6.0.4", 15),
    "v6.0": (3936089224930324775, 10 * MINUTE, 100, 100, 662, "6.0.15", 19),
    "v6.1": (16159082839903944936, 10 * MINUTE, 100, 100, 662, "6.0.17", 18),
}

VALUES: dict[tuple[str, str, str], object] = {
    ("v0.7", "resnet50", "optional edge"): ("multistream",),
    ("v0.7", "resnet50", "categories"): ("datacenter", "edge"),
    ("v0.7", "ssd-mobilenet", "min"): 22 * 0.99,
    ("v0.7", "ssd-resnet34", "fixed_rate"): 15,
    ("v0.7", "ssd-resnet34", "multistream latency"): 66 * MS,
    ("v0.7", "rnnt", "min"): (100 - 7.452) * 0.99,
    ("v0.7", "dlrm", "server latency"): 30 * MS,
    ("v0.7", "3d-unet", "offline"): 24_576,
    ("v0.7", "3d-unet", "compliance"): ("TEST01", "TEST04-A", "TEST04-B", "TEST05"),
    ("v1.0", "ssd-mobilenet", "fixed_rate"): 20,
    ("v1.0", "resnet50", "compliance multistream"): ("TEST01", "TEST05"),
    ("v1.1", "resnet50", "optional datacenter,edge"): ("server",),
    ("v1.1", "3d-unet", "performance"): 16,
    ("v2.0", "3d-unet", "min"): 0.86331 * 0.99,
    ("v2.0", "3d-unet", "performance"): 42,
    ("v2.0", "resnet50", "required edge"): ("singlestream", "multistream", "offline"),
    ("v2.1", "resnet50", "compliance"): ("TEST01", "TEST04", "TEST05"),
    ("v2.1", "retinanet", "server latency"): 100 * MS,
    ("v3.0", "3d-unet", "performance"): 43,
    ("v3.0", "bert", "min k_99_9"): 90.874 * 0.999,
    ("v3.1", "dlrm-v2", "min k_99_9"): 80.31 * 0.999,
    ("v3.1", "dlrm-v2", "server latency"): 60 * MS,
    ("v3.1", "gptj", "equal_issue"): ("singlestream",),
    ("v3.1", "gptj", "offline"): 24_576,
    ("v4.0", "rnnt", "offline"): 2513,
    ("v4.0", "gptj", "offline"): 13_368,
    ("v4.0", "gptj", "tokens"): (30, 128),
    ("v4.0", "llama2-70b", "equal_issue"): ("server",),
    ("v4.0", "llama2-70b", "token latencies"): (2000 * MS, 200 * MS),
    ("v4.0", "sdxl", "compliance"): (),
    ("v4.0", "sdxl", "server latency"): 20_000 * MS,
    ("v4.1", "gptj", "metric offline"): "result_inferred_tokens_per_second",
    ("v4.1", "mixtral-8x7b", "min"): 45.4911 * 0.99,
    ("v4.1", "mixtral-8x7b", "required datacenter,edge"): ("singlestream", "server", "offline"),
    ("v4.1", "sdxl", "compliance"): ("TEST01", "TEST04"),
    ("v5.0", "gptj", "offline"): 13_368,
    ("v5.0", "llama2-70b-interactive", "token latencies"): (450 * MS, 40 * MS),
    ("v5.0", "llama3.1-405b", "token latencies"): (6000 * MS, 175 * MS),
    ("v5.0", "mixtral-8x7b", "min"): 45.5989 * 0.99,
    ("v5.0", "pointpainting", "percentile"): 99.9,
    ("v5.0", "rgat", "dataset"): 788_379,
    ("v5.1", "bert", "categories"): ("edge", "datacenter,edge"),
    ("v5.1", "deepseek-r1", "tokens"): (1, 32_768),
    ("v5.1", "deepseek-r1", "required datacenter"): ("server", "offline"),
    ("v5.1", "llama3.1-8b", "one of datacenter"): ("server", "interactive"),
    ("v5.1", "llama3.1-8b-edge", "dataset"): 5000,
    ("v5.1", "whisper", "min"): (100.0 - 2.0671) * 0.99,
    ("v6.0", "deepseek-r1", "one of datacenter"): ("server", "interactive"),
    ("v6.0", "dlrm-v3", "server latency"): 80 * MS,
    ("v6.0", "qwen3-vl-235b-a22b", "required datacenter"): ("server", "offline"),
    ("v6.0", "retinanet", "categories"): ("datacenter,edge",),
    ("v6.0", "wan-2.2-t2v-a14b", "performance"): 248,
    ("v6.1", "e2e-rag-qna", "min"): 33.95,
    ("v6.1", "e2e-rag-db", "shortest offline"): 0,
    ("v6.1", "gpt-oss-120b", "token latencies"): (3000 * MS, 80 * MS),
    ("v6.1", "qwen3.6-27b", "singlestream"): 995,
    ("v6.1", "resnet50", "offline"): 24_576,
    ("v6.1", "resnet50", "server latency"): 15 * MS,
    ("v6.1", "wan-2.2-t2v-a14b", "offline"): 50,
    ("v6.1", "yolo", "min k_95"): 53.4 * 0.95,
}
"""(round, benchmark, what) to the value that the round's sources have."""

READ: dict[str, Callable[[Round, BenchmarkRules, str], object]] = {
    "categories": lambda _, rules, __: tuple(rules.categories),
    "required": lambda _, rules, category: rules.categories[category].required,
    "optional": lambda _, rules, category: rules.categories[category].optional,
    "one": lambda _, rules, category: rules.categories[category.removeprefix("of ")].one_of,
    "min": lambda _, rules, target: rules.targets[target or "k_99"].accuracy[0].bound.min,
    "dataset": lambda _, rules, __: rules.dataset_size,
    "performance": lambda _, rules, __: rules.performance_sample_count,
    "offline": lambda round_, rules, _: round_.scenario(rules, "offline").fewest_queries,
    "singlestream": lambda round_, rules, _: round_.scenario(rules, "singlestream").fewest_queries,
    "percentile": lambda round_, rules, _: round_.scenario(rules, "singlestream").percentile,
    "shortest": lambda round_, rules, scenario: round_.scenario(rules, scenario).min_duration,
    "metric": lambda round_, rules, scenario: round_.scenario(rules, scenario).metric,
    "server": lambda round_, rules, _: round_.scenario(rules, "server").target_latency,
    "multistream": lambda round_, rules, _: round_.scenario(rules, "multistream").target_latency,
    "fixed_rate": lambda round_, rules, _: round_.scenario(rules, "multistream").fixed_rate,
    "token": lambda round_, rules, _: attrs.astuple(round_.scenario(rules, "server"), filter=_is_token_latency),
    "tokens": lambda _, rules, __: rules.generation and attrs.astuple(rules.generation)[:2],
    "equal_issue": lambda _, rules, __: tuple(scenario for scenario in SCENARIOS if rules.issues_equally(scenario)),
    "compliance": lambda round_, rules, scenario: round_.compliance(rules, scenario or "offline"),
}

SCENARIOS = tuple(field.name for field in attrs.fields(rounds.ScenarioTable))


def _is_token_latency(field: attrs.Attribute[object], _: object) -> bool:
    return field.name in ("ttft_latency", "tpot_latency")


def test_rounds_are_in_order_of_age() -> None:
    assert round_names() == tuple(ROUNDS)


@pytest.mark.parametrize("name", ROUNDS)
def test_a_round_in_figures(name: str) -> None:
    round_ = load_round(name)
    table = round_.scenarios
    assert table.singlestream and table.server and table.multistream and table.offline
    assert ROUNDS[name] == (
        round_.seeds.schedule,
        table.offline.min_duration,
        table.singlestream.min_query_count,
        table.server.min_query_count,
        table.multistream.min_query_count,
        round_.loadgen_wheels[0] if round_.loadgen_wheels else None,
        len(round_.benchmarks),
    )


@pytest.mark.parametrize(("name", "benchmark", "what"), VALUES, ids="/".join)
def test_a_value_of_a_round(name: str, benchmark: str, what: str) -> None:
    round_ = load_round(name)
    word, _, rest = what.partition(" ")
    assert READ[word](round_, round_.benchmarks[benchmark], rest) == VALUES[name, benchmark, what]


@pytest.mark.parametrize("name", ROUNDS)
def test_every_name_in_a_round_is_one_of_ours(name: str) -> None:
    round_ = load_round(name)
    assert round_.round == name
    assert set(round_.sources) == {"checker", "mlperf_conf", "rules", "power"}
    for benchmark in round_.benchmarks.values():
        assert set(benchmark.categories) <= {"datacenter", "edge", "datacenter,edge"}
        assert set(benchmark.targets) <= set(TARGET_NAMES)
        assert all(set(target.categories or {}) <= set(benchmark.categories) for target in benchmark.targets.values())
        assert benchmark.performance_sample_count <= (benchmark.dataset_size or benchmark.performance_sample_count)


@pytest.mark.parametrize("name", ROUNDS)
def test_every_scenario_that_may_be_submitted_is_complete(name: str) -> None:
    round_ = load_round(name)
    for benchmark in round_.benchmarks.values():
        for scenario in {scenario for category in benchmark.categories.values() for scenario in category.scenarios}:
            rules = round_.scenario(benchmark, scenario)
            assert None not in (rules.min_duration, rules.percentile, rules.min_query_count, rules.metric)
            if scenario == "multistream":
                assert rules.samples_per_query == (4 if rules.fixed_rate else 8)
                assert (rules.fixed_rate is None) == (name >= "v2.0") == (rules.target_latency is None)
            if scenario in ("server", "interactive"):
                tokens = (rules.ttft_latency is not None, rules.tpot_latency is not None)
                assert tokens == (benchmark.use_token_latencies, benchmark.use_token_latencies)


@pytest.mark.parametrize("name", ROUNDS)
def test_early_stopping_came_with_v2_0(name: str) -> None:
    round_ = load_round(name)
    fewest = [round_.scenario(None, scenario).fewest_queries for scenario in ("singlestream", "multistream", "server")]
    assert fewest == ([64, 662, None] if name >= "v2.0" else [1024, 270_336, 270_336])


@pytest.mark.parametrize("name", ROUNDS)
def test_every_category_asks_for_a_scenario_and_for_each_once(name: str) -> None:
    for benchmark in load_round(name).benchmarks.values():
        for target in benchmark.targets:
            for category in benchmark.categories_at(target).values():
                assert category.required or category.one_of
                assert len(set(category.scenarios)) == len(category.scenarios)


@pytest.mark.parametrize("name", ROUNDS)
def test_every_target_has_bounds(name: str) -> None:
    for benchmark in load_round(name).benchmarks.values():
        for target in benchmark.targets.values():
            bounds = [metric.bound for metric in target.accuracy]
            assert bounds and all(bound.min is not None or bound.max is not None for bound in bounds)
            assert all(bound.min < bound.max for bound in bounds if bound.min is not None and bound.max is not None)


def test_no_two_rounds_share_a_seed() -> None:
    seeds = [seed for name in ROUNDS for seed in attrs.astuple(load_round(name).seeds)]
    assert len(set(seeds)) == len(seeds) == 3 * len(ROUNDS)
    assert all(0 < seed < 2**64 for seed in seeds)


def test_no_wheel_is_of_two_rounds() -> None:
    wheels = [wheel for name in ROUNDS for wheel in load_round(name).loadgen_wheels]
    assert len(set(wheels)) == len(wheels)


def test_bounds_keep_the_operands_of_the_checker() -> None:
    bounds = {
        metric.metric: metric.bound for metric in load_round("v5.1").benchmarks["mixtral-8x7b"].targets["k_99"].accuracy
    }
    assert bounds["TOKENS_PER_SAMPLE"].min == 144.84 * 0.9
    assert bounds["TOKENS_PER_SAMPLE"].max == 145.9 * 1.1
    sdxl = load_round("v6.1").benchmarks["sdxl"].targets["k_99"].accuracy[0].bound
    assert (sdxl.min, sdxl.max) == (31.68631873, 31.81331801)


def test_seeds_are_exact_integers() -> None:
    assert attrs.astuple(load_round("v6.1").seeds) == (2085463073848966840, 2747215439041700203, 16159082839903944936)
    test05 = load_round("v2.1").test05_seeds
    assert test05 is not None
    assert attrs.astuple(test05) == (313588358309856706, 471397156132239067, 413914573387865862)


def test_rounds_of_a_benchmark() -> None:
    assert rounds_of("resnet50") == round_names()
    assert rounds_of("retinanet") == ("v2.1", "v3.0", "v3.1", "v4.0", "v4.1", "v5.0", "v5.1", "v6.0")
    assert rounds_of("llama2-70b-interactive") == ("v5.0",)
    assert (newest_round_of("resnet50"), newest_round_of("dlrm-v2"), newest_round_of("lenet")) == ("v6.1", "v5.1", None)


@pytest.mark.parametrize("name", ROUNDS)
def test_benchmarks_are_found_without_parsing(name: str) -> None:
    assert benchmark_ids(name) == tuple(load_round(name).benchmarks)
    for benchmark, rules in load_round(name).benchmarks.items():
        assert targets_of(name, benchmark) == tuple(rules.targets), benchmark
    assert targets_of(name, "nothing") == ()


@pytest.mark.parametrize("name", ROUNDS)
def test_a_file_means_what_yaml_says(name: str) -> None:
    for document in (0, 1):
        text = round_text(name, document)
        assert read_yaml(text) == yaml.safe_load(text)
    assert len(list(yaml.safe_load_all((rounds._FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))) == 2


def test_an_unknown_round_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_round("v6.2")
    (problem,) = caught.value.problems
    assert problem.path == "round"
    assert problem.hint == "did you mean v6.1 or v6.0?"


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML was built without libyaml")
def test_a_round_is_read_quickly() -> None:
    def seconds(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    # The best of several: the machine may be busy, the bar is about the work.
    assert min(seconds(lambda: structure(Round, read_yaml(round_text("v6.1")))) for _ in range(5)) < 0.01
    benchmark_ids.cache_clear()
    assert seconds(lambda: rounds_of("resnet50")) < 0.01


def test_scenarios_have_our_names() -> None:
    assert set(SCENARIO_NAMES) == set(SCENARIOS)
