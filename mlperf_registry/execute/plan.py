"""The plan of a workload as a command follows it: what its backend refuses, and which rules a mode may break."""

from __future__ import annotations

import attrs

from mlperf_registry import plugins
from mlperf_registry.execute.host import distribution_version
from mlperf_registry.execute.progress import Progress
from mlperf_registry.execute.rates import rate_problem
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.rules.rulebook import OFFLINE_SAMPLES
from mlperf_registry.rules.wheel import wheel_breach
from mlperf_registry.schema.plan import Plan
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.workload import Workload


def plan_for(workload: Workload, progress: Progress, *, runs: bool = True) -> Plan:
    """The plan of a workload that its backend can be asked for.

    Breaches are named, and end the command where the mode is strict.

    Args:
        workload: what is planned.
        progress: told of breaches that end nothing.
        runs: whether LoadGen is to run, so that a submission must state its rate; an engine is built without one.

    Raises:
        ConfigError: with what the backend cannot be as it is configured, and in submission with every breach, a harness
            that this version lacks and a missing rate.
    """
    problems = list(plugins.problems_of(workload))
    plan = make_plan(workload)
    breach = wheel_breach(workload.round, distribution_version("mlcommons-loadgen"))
    if breach is not None:
        plan = attrs.evolve(plan, breaches=(*plan.breaches, breach))
    if workload.mode.strict:
        problems += [
            Problem(breach.path, f"{breach.message}. {breach.reason}", hint=f"rule {breach.rule}, {breach.citation}")
            for breach in plan.breaches
        ]
        name = workload.harness.name
        if runs and name not in plugins.HARNESSES:
            problems.append(
                Problem(
                    "harness",
                    f"this version has no harness {name}, so nothing can be submitted with it",
                    hint="choose harness=native",
                )
            )
        unstated = rate_problem(plan) if runs else None
        if unstated is not None:
            problems.append(unstated)
    if problems:
        raise ConfigError(problems)
    if runs and workload.model.weights == "random":
        progress.note("The weights are random: no accuracy run, and only the speed means something.")
    if runs and workload.runtime.end_on_device:
        progress.note("runtime.end_on_device has no effect: answers go to host memory all the same.")
    if plan.breaches:
        rules = ", ".join(
            f"{breach.rule} (judged by the run)" if breach.rule == OFFLINE_SAMPLES else breach.rule
            for breach in plan.breaches
        )
        where = "The report" if runs else "mlperf validate with the same overrides"
        progress.note(f"Not a submission: rules of {workload.round} that are not kept: {rules}. {where} says how.")
    return plan
