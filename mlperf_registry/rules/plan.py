"""make_plan(): a workload read against the rules of its round, with every LoadGen setting resolved.

A value of the workload wins over the round's, the round's over LoadGen's default; LoadGen is left nothing to guess.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from mlperf_registry.rules.round import BenchmarkRules, Round, ScenarioRules, load_round
from mlperf_registry.rules.rule import Case
from mlperf_registry.rules.rulebook import breaches
from mlperf_registry.schema.plan import AccuracyBound, Breach, LoadGenScenario, LoadGenSettings, Plan
from mlperf_registry.schema.sections import ScenarioName
from mlperf_registry.schema.workload import Workload

T = TypeVar("T")

_LOADGEN_SCENARIO: dict[ScenarioName, LoadGenScenario] = {
    "Offline": "Offline",
    "Server": "Server",
    "SingleStream": "SingleStream",
    "MultiStream": "MultiStream",
    "Interactive": "Server",
}


def make_plan(workload: Workload) -> Plan:
    """The Plan of a workload; breaches of rules are in it, whatever the mode, and never raised.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    case = _case(workload)
    performance = case.settings
    rate = workload.loadgen.accuracy_server_target_qps
    return Plan(
        workload=workload,
        performance=performance,
        accuracy=attrs.evolve(
            performance,
            server_target_qps=performance.server_target_qps if rate is None else rate,
            accuracy_sample_count_override=_accuracy_samples(case),
        ),
        accuracy_bounds=_accuracy_bounds(case),
        breaches=breaches(case),
        loadgen_wheels=case.round.loadgen_wheels,
    )


def forbidden(workload: Workload) -> tuple[Breach, ...]:
    """The breaches that no other value cures: the round, the category or the target lacks the cell.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    return breaches(_case(workload), judges="cell")


def headline_metric(workload: Workload) -> str:
    """The key of LoadGen's detail log that the round compares.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    metric = _case(workload).bounds.metric
    assert metric is not None, "each scenario of a round names its metric"
    return metric


def _case(workload: Workload) -> Case:
    round_ = load_round(workload.round)
    rules = round_.benchmarks.get(workload.benchmark.rules_as)
    return Case(workload=workload, round=round_, settings=_settings(workload, round_, rules))


def _settings(workload: Workload, round_: Round, rules: BenchmarkRules | None) -> LoadGenSettings:
    asked = workload.loadgen
    option = workload.cell.scenario
    here = round_.scenario(rules, option)
    # LoadGen takes the settings of every scenario, whichever it runs; Interactive lends Server its latencies.
    server = here if option == "interactive" else round_.scenario(rules, "server")
    tokens = (rules and rules.token_latency_scaling_factor) or 0
    single, multi = round_.scenario(rules, "singlestream"), round_.scenario(rules, "multistream")
    return LoadGenSettings(
        scenario=_LOADGEN_SCENARIO[workload.scenario.name],
        offline_expected_qps=asked.offline_expected_qps,
        server_target_qps=asked.server_target_qps,
        server_target_latency_ns=_first(asked.server_target_latency_ns, _query_latency(server)),
        server_target_latency_percentile=_share(asked.server_target_latency_percentile, server),
        server_coalesce_queries=asked.server_coalesce_queries,
        single_stream_expected_latency_ns=asked.single_stream_expected_latency_ns,
        single_stream_target_latency_percentile=_share(asked.single_stream_target_latency_percentile, single),
        multi_stream_expected_latency_ns=asked.multi_stream_expected_latency_ns,
        multi_stream_target_latency_percentile=_share(asked.multi_stream_target_latency_percentile, multi),
        multi_stream_samples_per_query=_first(asked.multi_stream_samples_per_query, multi.samples_per_query),
        min_duration_ms=_first(asked.min_duration, here.min_duration),
        max_duration_ms=_first(asked.max_duration, 0),
        min_query_count=_first(asked.min_query_count, here.min_query_count),
        max_query_count=_first(asked.max_query_count, 0),
        qsl_rng_seed=_first(asked.qsl_rng_seed, round_.seeds.qsl),
        sample_index_rng_seed=_first(asked.sample_index_rng_seed, round_.seeds.sample_index),
        schedule_rng_seed=_first(asked.schedule_rng_seed, round_.seeds.schedule),
        sample_concatenate_permutation=rules is not None and rules.issues_equally(option),
        performance_sample_count_override=_samples_held(workload, rules),
        use_token_latencies=_first(asked.use_token_latencies, rules is not None and rules.use_token_latencies),
        ttft_latency_ns=_first(asked.ttft_latency_ns, server.ttft_latency, _default("ttft_latency_ns")),
        tpot_latency_ns=_first(asked.tpot_latency_ns, server.tpot_latency, _default("tpot_latency_ns")),
        infer_token_latencies=tokens > 0,
        token_latency_scaling_factor=tokens,
        enable_trace=asked.log_enable_trace,
    )


def _samples_held(workload: Workload, rules: BenchmarkRules | None) -> int:
    """No more than the set has: LoadGen would draw samples that are not there. 0 where nobody counted: the QSL says."""
    least, whole = (None, None) if rules is None else (rules.performance_sample_count, rules.dataset_size)
    whole = workload.data.sample_count or whole
    held = _first(workload.loadgen.performance_sample_count_override, least, whole, 0)
    return held if whole is None else min(held, whole)


def _accuracy_samples(case: Case) -> int:
    """How many samples the accuracy run takes; 0, as LoadGen says it, for all."""
    if case.benchmark is None or case.workload.benchmark.mini:
        return 0
    return case.bounds.accuracy_sample_count or case.benchmark.accuracy_sample_count or 0


def _accuracy_bounds(case: Case) -> tuple[AccuracyBound, ...]:
    workload, benchmark = case.workload, case.workload.benchmark
    if workload.division == "open":
        return ()
    target = None if case.benchmark is None or benchmark.mini else case.benchmark.targets.get(case.target)
    if target is not None:
        return tuple(metric.bound for metric in target.accuracy if metric.holds_in(case.scenario))
    if benchmark.accuracy_reference is None:
        return ()
    least = benchmark.accuracy_reference * workload.accuracy_target.fraction
    return (AccuracyBound(metric=benchmark.accuracy_metric, min=least),)


def _query_latency(server: ScenarioRules) -> int | None:
    # 0 tells LoadGen, as mlperf.conf does, that a query's latency does not decide.
    return 0 if server.ttft_latency is not None else server.target_latency


def _share(asked: float | None, rules: ScenarioRules) -> float:
    return _first(asked, rules.percentile) / 100


def _default(setting: str) -> int:
    value: int = getattr(attrs.fields(LoadGenSettings), setting).default
    return value


def _first(*values: T | None) -> T:
    """The strongest value that is stated; a round's scenarios state all that reaches here."""
    return next(value for value in values if value is not None)
