"""performance_settings(): every LoadGen setting of a workload's performance run.

A value of the workload wins over the round's, the round's over LoadGen's default; LoadGen is left nothing to guess.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import attrs

from mlperf_registry.rules.round import BenchmarkRules, Round, ScenarioRules
from mlperf_registry.schema.plan import LoadGenScenario, LoadGenSettings
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


def performance_settings(workload: Workload, round_: Round) -> LoadGenSettings:
    """The settings of a workload's performance run under a round."""
    rules = round_.benchmarks.get(workload.benchmark.rules_as)
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
        accuracy_log_rng_seed=_first(asked.accuracy_log_rng_seed, _default("accuracy_log_rng_seed")),
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
    asked = workload.loadgen.performance_sample_count_override
    return samples_of_round(workload, rules) if asked is None else _at_most_all(asked, workload, rules)


def samples_of_round(workload: Workload, rules: BenchmarkRules | None) -> int:
    """Samples that a run holds where the workload does not say; 0 where nobody counted: the QSL says."""
    least = None if rules is None else rules.performance_sample_count
    return _at_most_all(_first(least, set_size(workload, rules), 0), workload, rules)


def _at_most_all(held: int, workload: Workload, rules: BenchmarkRules | None) -> int:
    # LoadGen would draw samples that are not there.
    whole = set_size(workload, rules)
    return held if whole is None else min(held, whole)


def set_size(workload: Workload, rules: BenchmarkRules | None) -> int | None:
    """Samples of the whole data set: the workload's own count, else the round's; None where nobody counted."""
    return workload.data.sample_count or (None if rules is None else rules.dataset_size)


def _query_latency(server: ScenarioRules) -> int | None:
    # 0 tells LoadGen, as mlperf.conf does, that a query's latency does not decide.
    return 0 if server.ttft_latency is not None else server.target_latency


def _share(asked: float | None, rules: ScenarioRules) -> float:
    return _first(asked, rules.percentile) / 100


@cache
def _default(setting: str) -> int:
    value: int = getattr(attrs.fields(LoadGenSettings), setting).default
    return value


def _first(*values: T | None) -> T:
    """The strongest value that is stated; a round's scenarios state all that reaches here."""
    for value in values:
        if value is not None:
            return value
    raise ValueError("nothing states the value, the round neither")
