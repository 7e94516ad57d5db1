"""Every rule has a case that keeps it and one that breaks it; the round's own values keep them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.rules.plan import forbidden, make_plan
from mlperf_registry.rules.round import load_round, round_names
from mlperf_registry.rules.rule import Case
from mlperf_registry.rules.rulebook import RULES, breaches
from mlperf_registry.rules.wheel import wheel_breach
from mlperf_registry.schema.backends.tensorrt_llm import TensorRTLLMOptions
from mlperf_registry.schema.backends.vllm import VllmOptions
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.workload import Workload

MakeWorkload = Callable[..., Workload]
Values = Mapping[str, Any]

LLM: Values = {"benchmark": "llama2-70b", "target": "k_99_9", "category": "datacenter"}
UNET: Values = {"benchmark": "3d-unet", "category": "datacenter", "end_on_device": True}
END: Values = {"tags": ("end_on_device_enabled",)}
START: Values = {"tags": ("start_from_device_enabled",)}
SERVER: Values = {"scenario": "server", "category": "datacenter,edge"}

CASES: dict[str, tuple[Values, Values]] = {
    "benchmark-in-round": ({"benchmark": "resnet50"}, {"benchmark": "lenet"}),
    "category-has-benchmark": ({"category": "edge"}, {"category": "datacenter"}),
    "category-has-scenario": (SERVER, {"scenario": "server", "category": "edge"}),
    "target-in-round": (LLM, {**LLM, "target": "k_99"}),
    "multistream-as-then": (
        {"scenario": "multistream", "round": "v2.0"},
        {"scenario": "multistream", "round": "v1.0"},
    ),
    "category-stated": ({"category": "edge"}, {"category": None}),
    "min-duration": ({"min_duration": 600_000}, {"min_duration": 599_999}),
    "max-duration": ({"max_duration": 600_000}, {"max_duration": 599_999}),
    "min-query-count": (
        {"scenario": "multistream", "min_query_count": 662},
        {"scenario": "multistream", "min_query_count": 661},
    ),
    "max-query-count": (
        {"scenario": "singlestream", "max_query_count": 64},
        {"scenario": "singlestream", "max_query_count": 63},
    ),
    "offline-samples": ({"min_query_count": 24_576}, {"min_query_count": 24_575}),
    "dataset-size": ({"sample_count": 50_000}, {"sample_count": 49_999}),
    "performance-sample-count": (
        {"performance_sample_count_override": 1024},
        {"performance_sample_count_override": 1023},
    ),
    "performance-samples-exist": (
        {"performance_sample_count_override": 50_000},
        {"performance_sample_count_override": 50_001},
    ),
    "seed-qsl": ({"qsl_rng_seed": 2085463073848966840}, {"qsl_rng_seed": 1}),
    "seed-sample-index": ({"sample_index_rng_seed": 2747215439041700203}, {"sample_index_rng_seed": 1}),
    "seed-schedule": ({"schedule_rng_seed": 16159082839903944936}, {"schedule_rng_seed": 1}),
    "server-latency": (
        {**SERVER, "server_target_latency_ns": 15_000_000},
        {**SERVER, "server_target_latency_ns": 15_000_001},
    ),
    "ttft-latency": (
        {**LLM, "scenario": "interactive", "ttft_latency_ns": 450_000_000},
        {**LLM, "scenario": "interactive", "ttft_latency_ns": 450_000_001},
    ),
    "tpot-latency": (
        {**LLM, "scenario": "server", "tpot_latency_ns": 200_000_000},
        {**LLM, "scenario": "server", "tpot_latency_ns": 200_000_001},
    ),
    "token-latencies": ({**LLM, "use_token_latencies": True}, {**LLM, "use_token_latencies": False}),
    "server-percentile": (
        {**SERVER, "server_target_latency_percentile": 99},
        {**SERVER, "server_target_latency_percentile": 98},
    ),
    "single-stream-percentile": (
        {"scenario": "singlestream", "single_stream_target_latency_percentile": 90},
        {"scenario": "singlestream", "single_stream_target_latency_percentile": 50},
    ),
    "multi-stream-percentile": (
        {"scenario": "multistream", "multi_stream_target_latency_percentile": 99},
        {"scenario": "multistream", "multi_stream_target_latency_percentile": 90},
    ),
    "samples-per-query": (
        {"scenario": "multistream", "multi_stream_samples_per_query": 8},
        {"scenario": "multistream", "multi_stream_samples_per_query": 4},
    ),
    "weights-trained": ({"weights": "trained"}, {"weights": "random"}),
    "answer-length": (
        {**LLM, "options": LlmOptions(evaluation="rouge", max_output_tokens=1024)},
        {**LLM, "options": LlmOptions(evaluation="rouge", max_output_tokens=1023)},
    ),
    "sentence-splitter": (
        {**LLM, "options": LlmOptions(evaluation="rouge", max_output_tokens=1024)},
        {**LLM, "options": LlmOptions(evaluation="rouge", max_output_tokens=1024, sentence_splitter="untrained_punkt")},
    ),
    "kv-cache-reuse": (
        {**LLM, "backend_options": VllmOptions()},
        {**LLM, "backend_options": VllmOptions(enable_prefix_caching=True)},
    ),
    "start-from-device": ({**START, "start_from_device": True}, {**END, "start_from_device": True}),
    "end-on-device": ({**UNET, **END}, {**UNET, **START}),
    "power-limit": ({"power_setting": "MaxP"}, {"power_setting": "MaxP", "power_limit": 300.0}),
    "maxq-needs-power": ({"power_setting": "MaxP"}, {"power_setting": "MaxQ", "power_limit": 300.0}),
}
"""Rule to (values that keep it, values that break it and no other rule)."""

RELAXED_IN_OPEN = {
    "category-has-benchmark",
    "category-has-scenario",
    "target-in-round",
    "offline-samples",
    "server-latency",
    "ttft-latency",
    "tpot-latency",
    "server-percentile",
    "single-stream-percentile",
    "multi-stream-percentile",
    "weights-trained",
    "answer-length",
    "sentence-splitter",
    "kv-cache-reuse",
}

LEGAL_CELLS = [
    {"round": name, "benchmark": benchmark, "category": category, "scenario": scenario, "target": target}
    for name in round_names()
    for benchmark, rules in load_round(name).benchmarks.items()
    for target in rules.targets
    for category, allowed in rules.categories_at(target).items()
    for scenario in allowed.scenarios
]


def as_then(cell: Values) -> list[str]:
    """The one breach that no value cures: MultiStream of v0.7 and v1.0."""
    return ["multistream-as-then"] if cell["scenario"] == "multistream" and cell["round"] < "v2.0" else []


def broken(workload: Workload) -> list[str]:
    return [breach.rule for breach in make_plan(workload).breaches]


def test_every_rule_has_its_cases() -> None:
    assert {*CASES, "equal-issue"} == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_is_kept_and_broken(make_workload: MakeWorkload, rule: str) -> None:
    legal, illegal = CASES[rule]
    assert broken(make_workload(**legal)) == []
    (breach,) = make_plan(make_workload(**illegal)).breaches
    assert breach.rule == rule
    assert breach.message and breach.reason.endswith(".")
    assert "mlcommons/" in breach.citation and "{" not in breach.citation


@pytest.mark.parametrize("rule", CASES)
def test_what_the_open_division_relaxes(make_workload: MakeWorkload, rule: str) -> None:
    assert broken(make_workload(**CASES[rule][1], division="open")) == ([] if rule in RELAXED_IN_OPEN else [rule])


def test_equal_issue_is_the_rounds(make_workload: MakeWorkload) -> None:
    plan = make_plan(make_workload(**LLM))
    assert plan.performance.sample_concatenate_permutation and not plan.breaches
    settings = attrs.evolve(plan.performance, sample_concatenate_permutation=False)
    case = Case(workload=plan.workload, round=load_round("v6.1"), other_settings=settings)
    assert [breach.rule for breach in breaches(case)] == ["equal-issue"]


@pytest.mark.parametrize("scenario", ["offline", "singlestream"])
@pytest.mark.parametrize("name", [name for name in round_names() if name >= "v1.1"])
def test_an_output_stays_in_device_memory_only_where_the_round_sends_it_to_the_network(
    make_workload: MakeWorkload, name: str, scenario: str
) -> None:
    cell = {"round": name, "scenario": scenario, "category": "edge", "end_on_device": True, **END}
    assert broken(make_workload("3d-unet", **cell)) == []
    (breach,) = make_plan(make_workload("resnet50", **cell)).breaches
    assert breach.rule == "end-on-device"
    assert breach.message == (
        "must be false: the output of resnet50 must end in host memory; only that of 3d-unet need not"
    )


@pytest.mark.parametrize("switch", ["start_from_device", "end_on_device"])
def test_memory_that_host_and_gpu_share_is_the_hosts_dram(make_workload: MakeWorkload, switch: str) -> None:
    assert broken(make_workload(**{switch: True})) == [switch.replace("_", "-")]
    assert broken(make_workload(integrated=True, **{switch: True})) == []


@pytest.mark.parametrize(
    ("options", "reuses"),
    [
        (VllmOptions(engine_args=FrozenMap({"enable_prefix_caching": True})), "engine_args.enable_prefix_caching"),
        (VllmOptions(engine_args=FrozenMap({"enable_prefix_caching": None})), "engine_args.enable_prefix_caching"),
        (VllmOptions(engine_args=FrozenMap({"enable_prefix_caching": False}), enable_prefix_caching=True), None),
        (TensorRTLLMOptions(), None),
        (TensorRTLLMOptions(llm_args=FrozenMap({"kv_cache_config": {"dtype": "fp8"}})), None),
        (
            TensorRTLLMOptions(llm_args=FrozenMap({"kv_cache_config": {"enable_block_reuse": True}})),
            "llm_args.kv_cache_config.enable_block_reuse",
        ),
        (TensorRTLLMOptions(llm_args=FrozenMap({"kv_cache_config": None})), "llm_args.kv_cache_config"),
    ],
)
def test_what_an_engine_is_told_in_its_own_words_is_judged_too(
    make_workload: MakeWorkload, options: object, reuses: str | None
) -> None:
    found = make_plan(make_workload(**LLM, backend_options=options)).breaches
    assert [breach.rule for breach in found] == ([] if reuses is None else ["kv-cache-reuse"])
    assert all(f"as {reuses} does" in breach.message for breach in found)


def test_a_set_that_is_too_small_is_said_once(make_workload: MakeWorkload) -> None:
    found = make_plan(make_workload(**LLM, sample_count=4, performance_sample_count_override=64)).breaches
    assert {breach.rule: breach.message for breach in found} == {
        "dataset-size": "must be the whole set of 24576 samples, is 4",
        "performance-sample-count": "must be 24576 or more, is 4, which is all of the set",
    }


@pytest.mark.parametrize("cell", LEGAL_CELLS, ids=lambda cell: "/".join(cell.values()))
def test_the_rounds_own_values_break_nothing(make_workload: MakeWorkload, cell: Values) -> None:
    assert broken(make_workload(**cell)) == as_then(cell)


def test_an_unknown_category_forbids_only_what_every_category_forbids(make_workload: MakeWorkload) -> None:
    assert broken(make_workload(scenario="server", category=None)) == ["category-stated"]
    assert broken(make_workload(scenario="interactive", category=None)) == ["category-has-scenario", "category-stated"]


def test_forbidden_is_about_the_cell_alone(make_workload: MakeWorkload) -> None:
    assert [breach.rule for breach in forbidden(make_workload(category="datacenter", min_duration=1))] == [
        "category-has-benchmark"
    ]
    assert forbidden(make_workload(category=None, min_duration=1)) == ()


def test_a_mini_is_held_to_its_own_sample_count(make_workload: MakeWorkload) -> None:
    assert broken(make_workload(mini=True, sample_count=500)) == []
    held = make_workload(mini=True, sample_count=500, performance_sample_count_override=499)
    assert broken(held) == ["performance-sample-count"]


@given(cell=st.sampled_from(LEGAL_CELLS), data=st.data())
def test_a_loosened_bound_is_exactly_its_breach(
    make_workload: MakeWorkload, cell: dict[str, str], data: st.DataObject
) -> None:
    round_ = load_round(cell["round"])
    benchmark = round_.benchmarks[cell["benchmark"]]
    rules = round_.scenario(benchmark, cell["scenario"])
    loosened: dict[str, tuple[str, int, int]] = {}
    """Field to (rule, lowest and highest value that break it)."""
    if rules.min_duration:
        loosened["min_duration"] = ("min-duration", 1, rules.min_duration - 1)
    if benchmark.performance_sample_count > 1:
        loosened["performance_sample_count_override"] = (
            "performance-sample-count",
            1,
            benchmark.performance_sample_count - 1,
        )
    if rules.fewest_queries:
        rule = "offline-samples" if cell["scenario"] == "offline" else "min-query-count"
        loosened["min_query_count"] = (rule, 1, rules.fewest_queries - 1)
    if cell["scenario"] in ("server", "interactive"):
        if rules.ttft_latency and rules.tpot_latency:
            loosened["ttft_latency_ns"] = ("ttft-latency", rules.ttft_latency + 1, 2**62)
            loosened["tpot_latency_ns"] = ("tpot-latency", rules.tpot_latency + 1, 2**62)
        elif rules.target_latency:
            loosened["server_target_latency_ns"] = ("server-latency", rules.target_latency + 1, 2**62)
    fields = data.draw(st.sets(st.sampled_from(sorted(loosened))))
    values = {field: data.draw(st.integers(*loosened[field][1:]), label=field) for field in sorted(fields)}
    assert set(broken(make_workload(**cell, **values))) == {*as_then(cell), *(loosened[field][0] for field in fields)}


def test_before_early_stopping_a_run_has_all_its_queries(make_workload: MakeWorkload) -> None:
    def server(round: str, queries: int) -> list[str]:
        return broken(make_workload("bert", "server", round=round, category="datacenter", min_query_count=queries))

    assert server("v1.1", 270_336) == [] == server("v2.0", 1)
    assert server("v1.1", 270_335) == ["min-query-count"]
    assert broken(make_workload(scenario="singlestream", round="v1.1", min_query_count=1023)) == ["min-query-count"]


def test_the_first_round_asks_for_a_minute(make_workload: MakeWorkload) -> None:
    assert broken(make_workload(round="v0.7", min_duration=60_000)) == []
    assert broken(make_workload(round="v0.7", min_duration=59_999)) == ["min-duration"]
    assert broken(make_workload(round="v1.0", min_duration=60_000)) == ["min-duration"]


def test_a_target_may_have_categories_of_its_own(make_workload: MakeWorkload) -> None:
    cell = {"benchmark": "bert", "round": "v4.1", "category": "edge"}
    assert broken(make_workload(**cell, target="k_99")) == []
    (breach,) = make_plan(make_workload(**cell, target="k_99_9")).breaches
    assert breach.rule == "category-has-benchmark"
    assert "bert at k_99_9 in 'datacenter' and 'datacenter,edge'" in breach.message


def test_streams_of_the_first_rounds_may_hold_any_number_of_samples(make_workload: MakeWorkload) -> None:
    cell = {"scenario": "multistream", "round": "v0.7", "multi_stream_samples_per_query": 1344}
    assert broken(make_workload(**cell)) == ["multistream-as-then"]


def test_the_wheel_of_another_round_is_a_breach() -> None:
    assert wheel_breach("v6.1", "6.0.17") is None
    breach = wheel_breach("v5.1", "6.0.17")
    assert breach is not None
    assert "pip install mlcommons-loadgen==6.0.4" in breach.message


@pytest.mark.parametrize("name", round_names())
def test_a_round_without_wheels_says_so(name: str) -> None:
    breach = wheel_breach(name, "0.0.1")
    assert breach is not None
    install = "pip install mlcommons-loadgen==" in breach.message
    assert install != ("no published release was" in breach.message)
    assert install == (name >= "v4.1")
