"""A plan states every LoadGen setting: the workload's, else the round's, as LoadGen itself would read it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.rules.plan import headline_metric, make_plan
from mlperf_registry.rules.round import load_round, round_names
from mlperf_registry.rules.user_conf import user_conf
from mlperf_registry.schema.cell import SCENARIO_NAMES, TARGET_NAMES
from mlperf_registry.schema.sections import LoadGen
from mlperf_registry.schema.workload import Workload

MakeWorkload = Callable[..., Workload]

LLM = {"benchmark": "llama2-70b", "target": "k_99_9", "category": "datacenter"}


def test_the_rounds_values_where_the_workload_has_none(make_workload: MakeWorkload) -> None:
    settings = make_plan(make_workload(scenario="server", category="datacenter,edge")).performance
    assert settings.scenario == "Server"
    assert settings.min_duration_ms == 600_000
    assert settings.server_target_latency_ns == 15_000_000
    assert settings.server_target_latency_percentile == 0.99
    assert settings.performance_sample_count_override == 1024
    assert settings.server_target_qps is None


def test_the_workloads_values_win(make_workload: MakeWorkload) -> None:
    asked = {"min_duration": 10_000, "min_query_count": 7, "qsl_rng_seed": 3, "server_target_latency_ns": 5}
    settings = make_plan(make_workload(scenario="server", server_target_qps=250.0, **asked)).performance
    assert (settings.min_duration_ms, settings.min_query_count) == (10_000, 7)
    assert (settings.qsl_rng_seed, settings.server_target_latency_ns, settings.server_target_qps) == (3, 5, 250.0)


def test_the_seed_of_the_accuracy_log_is_loadgens_own_unless_it_is_asked_for(make_workload: MakeWorkload) -> None:
    assert make_plan(make_workload()).performance.accuracy_log_rng_seed == 0
    plan = make_plan(make_workload(accuracy_log_rng_seed=9))
    assert plan.performance.accuracy_log_rng_seed == plan.accuracy.accuracy_log_rng_seed == 9
    assert user_conf(plan) == "*.Offline.accuracy_log_rng_seed = 9\n"


def test_interactive_is_loadgens_server_under_its_own_latencies(make_workload: MakeWorkload) -> None:
    settings = make_plan(make_workload(**LLM, scenario="interactive")).performance
    assert (settings.scenario, settings.use_token_latencies) == ("Server", True)
    assert (settings.ttft_latency_ns, settings.tpot_latency_ns) == (450_000_000, 40_000_000)
    assert settings.server_target_latency_ns == 0


def test_offline_asks_for_the_rounds_samples_where_mlperf_conf_does_not(make_workload: MakeWorkload) -> None:
    assert make_plan(make_workload("yolo", "offline")).performance.min_query_count == 1525
    assert make_plan(make_workload("wan-2.2-t2v-a14b", "offline")).performance.min_query_count == 248


def test_a_mini_holds_what_it_has_and_keeps_its_parents_counts(make_workload: MakeWorkload) -> None:
    plan = make_plan(make_workload(mini=True, sample_count=300))
    assert plan.performance.performance_sample_count_override == 300
    assert plan.performance.min_query_count == 24_576
    (bound,) = plan.accuracy_bounds
    assert (bound.metric, bound.min) == ("acc", 91.0 * 0.99)


def test_a_run_holds_no_more_samples_than_there_are_and_says_so(make_workload: MakeWorkload) -> None:
    plan = make_plan(make_workload(performance_sample_count_override=60_000))
    assert plan.performance.performance_sample_count_override == 50_000
    (breach,) = plan.breaches
    assert breach.message.startswith("must be 50000 or less, is 60000")


def test_samples_that_nobody_counted_are_the_rounds(make_workload: MakeWorkload) -> None:
    workload = make_workload()
    uncounted = attrs.evolve(workload, data=attrs.evolve(workload.data, sample_count=None))
    plan = make_plan(uncounted)
    assert (plan.performance.performance_sample_count_override, plan.breaches) == (1024, ())


def test_the_accuracy_run_may_have_a_rate_of_its_own(make_workload: MakeWorkload) -> None:
    shared = make_plan(make_workload(scenario="server", server_target_qps=100.0))
    assert shared.accuracy == shared.performance
    own = make_plan(make_workload(scenario="server", server_target_qps=100.0, accuracy_server_target_qps=900.0))
    assert own.accuracy == attrs.evolve(own.performance, server_target_qps=900.0)


def test_the_accuracy_run_takes_the_rounds_samples_where_they_are_not_the_whole_set(
    make_workload: MakeWorkload,
) -> None:
    def samples(benchmark: str, scenario: str, **cell: Any) -> tuple[int, int]:
        plan = make_plan(make_workload(benchmark, scenario, category="datacenter", **cell))
        return plan.performance.accuracy_sample_count_override, plan.accuracy.accuracy_sample_count_override

    assert samples("gpt-oss-120b", "offline") == (0, 4395)
    assert samples("qwen3-vl-235b-a22b", "interactive") == (0, 8000)
    assert samples("qwen3-vl-235b-a22b", "server") == (0, 0)
    assert samples("gpt-oss-120b", "offline", mini=True) == (0, 0)


def test_tokens_are_inferred_where_the_round_says_how_many_a_sample_has(make_workload: MakeWorkload) -> None:
    then = make_plan(make_workload("gptj", round="v4.1")).performance
    before = make_plan(make_workload("gptj", round="v4.0")).performance
    assert (then.infer_token_latencies, then.token_latency_scaling_factor) == (True, 69)
    assert (before.infer_token_latencies, before.token_latency_scaling_factor) == (False, 0)


def test_equal_issue_may_be_for_some_scenarios_only(make_workload: MakeWorkload) -> None:
    def equal(scenario: str, round: str) -> bool:
        return make_plan(make_workload("gptj", scenario, round=round)).performance.sample_concatenate_permutation

    assert [equal(scenario, "v4.0") for scenario in ("singlestream", "server", "offline")] == [True, True, False]
    assert [equal(scenario, "v4.1") for scenario in ("singlestream", "server", "offline")] == [True, True, True]


def test_accuracy_bounds_are_those_of_target_and_scenario(make_workload: MakeWorkload) -> None:
    (f1,) = make_plan(make_workload("bert", target="k_99_9")).accuracy_bounds
    assert (f1.metric, f1.min) == ("F1", 90.874 * 0.999)
    (server,) = make_plan(make_workload("qwen3-vl-235b-a22b", "server", category="datacenter")).accuracy_bounds
    (interactive,) = make_plan(
        make_workload("qwen3-vl-235b-a22b", "interactive", category="datacenter")
    ).accuracy_bounds
    assert (server.min, interactive.min) == (0.7903 * 0.99, 0.7878 * 0.99)
    assert make_plan(make_workload("bert", division="open")).accuracy_bounds == ()


def test_a_benchmark_of_no_round_runs_on_the_rounds_defaults(make_workload: MakeWorkload) -> None:
    plan = make_plan(make_workload("lenet", "server", sample_count=70))
    assert [breach.rule for breach in plan.breaches] == ["benchmark-in-round"]
    assert plan.performance.server_target_latency_ns == 10_000_000
    assert plan.performance.performance_sample_count_override == 70


def test_the_metric_that_the_round_compares(make_workload: MakeWorkload) -> None:
    assert headline_metric(make_workload()) == "result_samples_per_second"
    assert headline_metric(make_workload(**LLM, scenario="interactive")) == "result_completed_tokens_per_second"
    assert headline_metric(make_workload(scenario="singlestream")) == "early_stopping_latency_ss"


@pytest.mark.parametrize("benchmark", ["llama3.1-8b", "llama3.1-8b-edge", "mixtral-8x7b", "deepseek-r1"])
def test_singlestream_compares_a_querys_latency_where_tokens_count(make_workload: MakeWorkload, benchmark: str) -> None:
    # LoadGen's early stopping estimates the time to first token there, which is another quantity.
    having = [name for name in round_names() if benchmark in load_round(name).benchmarks]
    for name in having:
        metric = headline_metric(make_workload(benchmark, "singlestream", round=name))
        assert metric == "result_90.00_percentile_latency_ns", name
    assert having


_POSITIVE = st.integers(1, 2**40)
_OPTIONAL_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "server_target_qps": st.floats(0.01, 1e7),
    "accuracy_server_target_qps": st.floats(0.01, 1e7),
    "server_target_latency_ns": _POSITIVE,
    "server_target_latency_percentile": st.floats(0, 100),
    "multi_stream_samples_per_query": st.integers(1, 64),
    "ttft_latency_ns": _POSITIVE,
    "min_duration": _POSITIVE,
    "max_duration": _POSITIVE,
    "min_query_count": _POSITIVE,
    "max_query_count": _POSITIVE,
    "performance_sample_count_override": _POSITIVE,
    "schedule_rng_seed": st.integers(0, 2**64 - 1),
}


@given(
    benchmark=st.sampled_from(
        sorted({"lenet", *(benchmark for name in round_names() for benchmark in load_round(name).benchmarks)})
    ),
    scenario=st.sampled_from(sorted(SCENARIO_NAMES)),
    target=st.sampled_from(sorted(TARGET_NAMES)),
    round=st.sampled_from(round_names()),
    category=st.sampled_from(["edge", "datacenter", "datacenter,edge", None]),
    division=st.sampled_from(["closed", "open"]),
    mini=st.booleans(),
    values=st.fixed_dictionaries({}, optional=_OPTIONAL_VALUES),
)
def test_every_workload_has_a_plan(make_workload: MakeWorkload, values: dict[str, Any], **cell: Any) -> None:
    workload = make_workload(**cell, **values)
    plan = make_plan(workload)
    whole = workload.data.sample_count
    assert whole is None or plan.performance.performance_sample_count_override <= whole
    assert all(str(breach) for breach in plan.breaches)
    for field, setting in (("min_duration", "min_duration_ms"), ("ttft_latency_ns", "ttft_latency_ns")):
        assert getattr(plan.performance, setting) == values.get(field, getattr(plan.performance, setting))
    user_conf(plan)


def test_user_conf_holds_what_a_submitter_owns(make_workload: MakeWorkload) -> None:
    assert user_conf(make_plan(make_workload(offline_expected_qps=1234.5))) == "*.Offline.target_qps = 1234.5\n"
    stream = make_workload(scenario="singlestream", single_stream_expected_latency_ns=250_000, min_duration=10_000)
    assert user_conf(make_plan(stream)) == "*.SingleStream.target_latency = 0.25\n*.SingleStream.min_duration = 10000\n"
    assert user_conf(make_plan(make_workload(scenario="server"))) == ""


def test_user_conf_holds_every_other_setting_that_loadgen_reads(make_workload: MakeWorkload) -> None:
    server = make_workload(scenario="server", server_coalesce_queries=True, server_target_latency_ns=14_500_000)
    assert user_conf(make_plan(server)) == "*.Server.target_latency = 14.5\n*.Server.coalesce_queries = 1\n"
    tokens = make_workload(**LLM, scenario="server", ttft_latency_ns=1_500_000_000, tpot_latency_ns=99_000_000)
    assert user_conf(make_plan(tokens)) == "*.Server.ttft_latency = 1500\n*.Server.tpot_latency = 99\n"
    multi = make_workload(scenario="multistream", multi_stream_samples_per_query=4)
    assert user_conf(make_plan(multi)) == "*.MultiStream.samples_per_query = 4\n"
    seeds = make_workload(qsl_rng_seed=1, sample_index_rng_seed=2, schedule_rng_seed=3)
    assert user_conf(make_plan(seeds)) == ""


_READ_BY_LOADGEN = """
import json, sys
import mlperf_loadgen
settings = mlperf_loadgen.TestSettings()
settings.FromConfig("", sys.argv[1], sys.argv[2], 0)
settings.FromConfig(sys.argv[3], sys.argv[1], sys.argv[2], 2)
names = [name for name in dir(settings) if isinstance(getattr(settings, name), (bool, int, float))]
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


_DEPARTURES: dict[str, dict[str, Any]] = {
    "offline": {"min_query_count": 30_000, "max_query_count": 2**40, "accuracy_log_rng_seed": 2**64 - 1},
    "server": {
        "server_target_latency_ns": 14_000_000,
        "server_target_latency_percentile": 97.3,
        "server_coalesce_queries": True,
        "use_token_latencies": True,
        "ttft_latency_ns": 1_234_000_000,
        "tpot_latency_ns": 77_000_000,
    },
    "singlestream": {"single_stream_target_latency_percentile": 55.5, "max_duration": 900_000},
    "multistream": {"multi_stream_target_latency_percentile": 98.5, "multi_stream_samples_per_query": 5},
}
"""What a workload may ask for besides a rate; of bounds on latency, LoadGen reads the whole milliseconds."""


@pytest.mark.parametrize("departing", [False, True])
@pytest.mark.parametrize("benchmark", ["resnet50", "3d-unet", "llama3.1-8b-edge", "llama2-70b"])
@pytest.mark.parametrize("scenario", ["offline", "server", "singlestream", "multistream"])
def test_a_plan_is_what_loadgen_reads_from_mlperf_conf_and_user_conf(
    make_workload: MakeWorkload, tmp_path: Path, benchmark: str, scenario: str, departing: bool
) -> None:
    pytest.importorskip("mlperf_loadgen")
    rates = {
        "offline_expected_qps": 1000.0,
        "server_target_qps": 250.5,
        "single_stream_expected_latency_ns": 2_500_000,
        "multi_stream_expected_latency_ns": 20_000_000,
    }
    key = load_round("v6.1").benchmarks[benchmark].loadgen_key
    asked = _DEPARTURES[scenario] if departing else {}
    plan = make_plan(make_workload(benchmark, scenario, min_duration=10_000, **rates, **asked))
    conf = tmp_path / "user.conf"
    conf.write_text(user_conf(plan))
    command = [sys.executable, "-c", _READ_BY_LOADGEN, str(key), SCENARIO_NAMES[scenario], str(conf)]
    read = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    ours = attrs.asdict(plan.performance)
    ours["ttft_latency"], ours["tpot_latency"] = ours.pop("ttft_latency_ns"), ours.pop("tpot_latency_ns")
    owned_by_other_scenarios = set(rates) - _owned_by(scenario)
    # 0 is mlperf.conf's way to say the whole set.
    ours["performance_sample_count_override"] %= 43 if benchmark == "3d-unet" else 2**32
    differing = {
        name: (value, read[name])
        for name, value in ours.items()
        if name in read and name not in owned_by_other_scenarios and value != read[name]
    }
    assert differing == {}
    assert len(set(ours) & set(read)) == len(ours) - 2  # scenario and enable_trace


def _owned_by(scenario: str) -> set[str]:
    words = {"offline": "offline", "server": "server", "singlestream": "single_stream", "multistream": "multi_stream"}
    return {field.name for field in attrs.fields(LoadGen) if field.name.startswith(words[scenario])}
