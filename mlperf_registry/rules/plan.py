"""make_plan(): a workload read against the rules of its round, with every LoadGen setting resolved.

What a run must reach and which rules it breaks are part of the plan, so that nothing later looks at the rules again.
"""

from __future__ import annotations

import attrs

from mlperf_registry.rules.round import load_round
from mlperf_registry.rules.rule import Case
from mlperf_registry.rules.rulebook import OFFLINE_SAMPLES, breaches
from mlperf_registry.rules.settings import samples_of_round
from mlperf_registry.schema.plan import AccuracyBound, Breach, LoadGenSettings, Plan
from mlperf_registry.schema.workload import Workload


def make_plan(workload: Workload) -> Plan:
    """The Plan of a workload; breaches of rules are in it, whatever the mode, and never raised.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    case = _case(workload)
    performance = case.settings
    return Plan(
        workload=workload,
        performance=performance,
        accuracy=_accuracy_settings(case),
        accuracy_bounds=_accuracy_bounds(case),
        breaches=breaches(case),
    )


def forbidden(workload: Workload) -> tuple[Breach, ...]:
    """The breaches that no other value cures: the round, the category or the target lacks the cell.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    return breaches(_case(workload), judges="cell")


def breaches_of_run(plan: Plan, samples_per_query: int | None) -> tuple[Breach, ...]:
    """The breaches of a plan after its performance run.

    Args:
        plan: what was to run.
        samples_per_query: those that LoadGen put into a query; None without a performance run, which settles nothing.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    least = _case(plan.workload).bounds.fewest_queries
    if samples_per_query is None or least is None:
        return plan.breaches
    held = f"the Offline query must hold {least} samples or more, held {samples_per_query}"
    return tuple(
        attrs.evolve(breach, message=held) if breach.rule == OFFLINE_SAMPLES else breach
        for breach in plan.breaches
        if breach.rule != OFFLINE_SAMPLES or samples_per_query < least
    )


def headline_metric(workload: Workload) -> str:
    """The key of LoadGen's detail log that the round compares.

    Raises:
        ConfigError: when there is no round of the workload's name.
    """
    case = _case(workload)
    metric = case.bounds.metric
    assert metric is not None, "each scenario of a round names its metric"
    if metric == "early_stopping_latency_ss" and case.settings.use_token_latencies:
        # There LoadGen estimates the time to first token; rounds that have such a cell compare the latency itself.
        return f"result_{case.bounds.percentile:.2f}_percentile_latency_ns"
    return metric


def _case(workload: Workload) -> Case:
    return Case(workload=workload, round=load_round(workload.round))


def _accuracy_settings(case: Case) -> LoadGenSettings:
    rate, samples = case.workload.loadgen.accuracy_server_target_qps, _accuracy_samples(case)
    # LoadGen waits for the answers to all that are held before it loads more: a few at a time would starve an engine.
    held = max(case.settings.performance_sample_count_override, samples_of_round(case.workload, case.benchmark))
    if rate is None and samples == 0:
        return attrs.evolve(case.settings, performance_sample_count_override=held)
    return attrs.evolve(
        case.settings,
        server_target_qps=case.settings.server_target_qps if rate is None else rate,
        accuracy_sample_count_override=samples,
        # No more than the set has, where the accuracy run has one of its own.
        performance_sample_count_override=held if case.workload.data.accuracy_path is None else min(held, samples),
    )


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
