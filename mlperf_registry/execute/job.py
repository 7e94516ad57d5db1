"""One job: a plan becomes an engine, LoadGen runs, and a result. Everything here happens on the machine under test."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from mlperf_registry import plugins
from mlperf_registry.atomic import write_json, write_text
from mlperf_registry.digest import config_digest
from mlperf_registry.execute.calibration import ensure_cache
from mlperf_registry.execute.child import run_probe, run_test
from mlperf_registry.execute.engine_cache import engine_folder, find_engine, get_engine
from mlperf_registry.execute.host import distribution_version
from mlperf_registry.execute.length import length_of
from mlperf_registry.execute.model import find_model
from mlperf_registry.execute.numa import require_numa
from mlperf_registry.execute.progress import Progress
from mlperf_registry.execute.rates import (
    missing_rate,
    rate_problem,
    with_measured_rate,
    with_observed_rate,
    with_some_rate,
)
from mlperf_registry.execute.recipe import make_recipe
from mlperf_registry.execute.result import TestEnd, make_result, read_test_end, score_accuracy, write_result
from mlperf_registry.execute.run_folder import RunFolder, create_run_folder, not_written, require_room, set_aside
from mlperf_registry.roots import SCRATCH_VARIABLE
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.rules.user_conf import user_conf
from mlperf_registry.rules.wheel import wheel_breach
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.plan import Plan
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.result import RunResult
from mlperf_registry.schema.run import RUN_SCHEMA, LoadGenTest, Run
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure

PERFORMANCE_DIR = "performance/run_1"
ACCURACY_DIR = "accuracy"


def plan_for(workload: Workload, progress: Progress, *, runs: bool = True) -> Plan:
    """The plan of a workload that its backend can be asked for.

    Breaches are named, and end the command where the mode is strict.

    Args:
        workload: what is planned.
        progress: told of breaches that end nothing.
        runs: whether LoadGen is to run, so that a submission must state its rate; an engine is built without one.

    Raises:
        ConfigError: with what the backend cannot be as it is configured, and in submission with every breach and a
            missing rate.
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
        unstated = rate_problem(plan) if runs else None
        if unstated is not None:
            problems.append(unstated)
    if problems:
        raise ConfigError(problems)
    if runs and workload.model.weights == "random":
        progress.note("The weights are random: no accuracy run, and only the speed means something.")
    if plan.breaches:
        rules = ", ".join(breach.rule for breach in plan.breaches)
        progress.note(f"Not a submission: rules of {workload.round} that are not kept: {rules}. The report says how.")
    return plan


def require_ready(workload: Workload, deviceless: str | None = None) -> None:
    """Check that cores, engine library, model and data are here, before minutes go into an engine.

    Args:
        workload: what is to run.
        deviceless: that its system has no device for it, if so; leads the report.

    Raises:
        NotReady: with everything that is missing.
        ConfigError: when options of model or data contradict each other, or this machine lacks what numa_config names.
    """
    require_numa(workload)
    lacks = [] if deviceless is None else [deviceless]
    for requirement in (_find_library, _find_model, _open_data):
        try:
            requirement(workload)
        except NotReady as error:
            lacks.append(str(error))
    if lacks:
        raise NotReady("\n".join(lacks))


def build(workload: Workload, build_dir: Path, progress: Progress) -> Engine:
    """Build the workload's engine, or find it in the cache.

    Raises:
        NotReady, RunFailed, ConfigError: as the builder says.
    """
    served = plugins.backend(workload.backend.name).takes == "nothing"
    if not served:  # elsewhere nothing is built
        progress.phase("build", f"{workload.backend.name} engine of {workload.benchmark.id}")
    ensure_cache(workload, scratch(), progress)
    recipe = make_recipe(workload, scratch())
    folder = engine_folder(build_dir, workload.system.id, workload.benchmark.id)

    def report(message: str) -> None:
        progress.phase("build", f"{workload.benchmark.id}: {message}")

    try:
        engine = get_engine(
            folder, recipe, force=workload.builder.force_build_engines, tell=progress.note, report=report
        )
    except OSError as error:
        raise not_written(folder, error) from error
    if served:
        servers = ", ".join(workload.llm.trtllm_server_urls) or "a server of ours"
        progress.note(f"{workload.backend.name} asks {servers}.")
    else:
        progress.note(f"Engine {engine.key}: {'reused' if engine.reused else 'built'}; {engine.why}.")
    return engine


def cached(workload: Workload, build_dir: Path) -> Engine:
    """The workload's engine, which must be in the cache already.

    Raises:
        NotReady: when it is not, with the reason and the command that builds it.
    """
    found = find_engine(
        engine_folder(build_dir, workload.system.id, workload.benchmark.id), make_recipe(workload, scratch())
    )
    if isinstance(found, Engine):
        return found
    raise NotReady(
        f"There is no engine for this configuration: {found}. Build it with `mlperf build` and the same overrides."
    )


def execute(
    workload: Workload,
    plan: Plan,
    engine: Engine,
    build_dir: Path,
    progress: Progress,
    *,
    derived_from: str | None = None,
) -> RunResult:
    """Run LoadGen for performance, accuracy or both, and write result.json.

    What ``require_ready`` and ``plan_for`` check must hold.

    Args:
        workload: what is run.
        plan: its plan.
        engine: its engine.
        build_dir: where the run's folder is made.
        progress: told of what happens.
        derived_from: the system whose tuned values were taken over, which the result says.

    Raises:
        NotReady, RunFailed, ConfigError: when a run could not be made; no result is left then.
    """
    folder = create_run_folder(build_dir, workload)
    try:
        measured = _measure(workload, plan, engine, folder, progress)
        probed, plan = measured is not plan, measured
        run = _write_run(workload, plan, engine, folder)
        ends = {}
        for name in run.tests:
            ends[name] = _run_one(run, name, progress)
            longer = _longer(plan, ends[name]) if probed and name == "performance" else None
            if longer is not None:
                progress.note(
                    "The run was too short, since the engine is faster than the probe saw. It is kept in "
                    f"{set_aside(folder)}; running again for {longer.performance.offline_expected_qps:g} samples/s."
                )
                plan, run = longer, _write_run(workload, longer, engine, folder)
                ends[name] = _run_one(run, name, progress)
        accuracy = score_accuracy(run, plan) if "accuracy" in ends else None
        result = make_result(run, plan, folder, ends.get("performance"), ends.get("accuracy"), accuracy, derived_from)
        write_result(result)
    except OSError as error:
        raise not_written(folder.path, error) from error
    return result


def scratch() -> Path | None:
    """The scratch space that the environment names, if it does."""
    named = os.environ.get(SCRATCH_VARIABLE)
    # Absolute, since the child process and a later report may have another working directory.
    return Path(named).resolve() if named else None


def _find_library(workload: Workload) -> None:
    plugins.require(plugins.backend(workload.backend.name))


def _find_model(workload: Workload) -> None:
    find_model(workload, scratch())


def _open_data(workload: Workload) -> None:
    for used in _workloads(workload):
        plugins.open_dataset(used, scratch())


def _workloads(workload: Workload) -> tuple[Workload, ...]:
    """Those whose samples a run takes: accuracy runs may have their own."""
    mode, scored = workload.test_mode, workload.scored
    if mode == "PerformanceOnly" or scored is workload:
        return (workload,)
    return (scored,) if mode == "AccuracyOnly" else (workload, scored)


def _measure(workload: Workload, plan: Plan, engine: Engine, folder: RunFolder, progress: Progress) -> Plan:
    field = missing_rate(plan)
    if field is None:
        return plan
    progress.phase("probe", f"nothing sets loadgen.{field}: measuring the engine")
    run_json = folder.path / "probe.json"
    write_json(run_json, unstructure(_make_run(workload, plan, engine, folder)))
    event = run_probe(
        run_json,
        log=folder.path / "probe.log",
        load_seconds=workload.runtime.load_timeout / 1000,
        stall_seconds=workload.runtime.stall_timeout / 1000,
        progress=progress,
    )
    performance = with_measured_rate(plan.performance, event)
    rate, peak = event["samples_per_second"], event["peak_samples_per_second"]
    progress.note(
        f"loadgen.{field} = {getattr(performance, field):g}, from {rate:.0f} samples/s measured, {peak:.0f} at best."
    )
    return attrs.evolve(plan, performance=performance, accuracy=with_measured_rate(plan.accuracy, event))


def _longer(plan: Plan, end: TestEnd) -> Plan | None:
    """The plan to run again with, where a sound run by the probe's rate was only too short."""
    return None if end.trouble else with_observed_rate(plan, end.log)


def _write_run(workload: Workload, plan: Plan, engine: Engine, folder: RunFolder) -> Run:
    run = _make_run(workload, plan, engine, folder)
    write_json(folder.path / "run.json", unstructure(run))
    write_text(folder.path / "user.conf", user_conf(plan))
    return run


def _make_run(workload: Workload, plan: Plan, engine: Engine, folder: RunFolder) -> Run:
    mode = workload.test_mode
    tests = {}
    if mode in ("SubmissionRun", "PerformanceOnly"):
        tests["performance"] = LoadGenTest(mode="PerformanceOnly", settings=plan.performance, log_dir=PERFORMANCE_DIR)
    if mode in ("SubmissionRun", "AccuracyOnly"):
        tests["accuracy"] = LoadGenTest(
            mode="AccuracyOnly", settings=with_some_rate(plan.accuracy), log_dir=ACCURACY_DIR
        )
    space = scratch()
    return Run(
        schema=RUN_SCHEMA,
        run_id=folder.run_id,
        workload=workload,
        config_digest=config_digest(workload),
        engine=engine,
        tests=tests,
        scratch=str(space) if space else None,
        folder=str(folder.path),
    )


def _run_one(run: Run, name: str, progress: Progress) -> TestEnd:
    test = run.tests[name]
    folder = Path(run.folder)
    require_room(folder)
    progress.phase(name, _describe(run.workload, test))
    done = run_test(
        folder / "run.json",
        name,
        log=folder / f"{name}.log",
        load_seconds=run.workload.runtime.load_timeout / 1000,
        stall_seconds=run.workload.runtime.stall_timeout / 1000,
        length=length_of(test, run.workload.scored.data.sample_count),
        progress=progress,
    )
    return read_test_end(folder, test, done)


def _describe(workload: Workload, test: LoadGenTest) -> str:
    name = f"{workload.benchmark.id} {workload.scenario.name}"
    if test.mode == "AccuracyOnly":
        count = test.settings.accuracy_sample_count_override or workload.scored.data.sample_count
        return f"{name}, all {count:,} samples"
    return f"{name}, {test.settings.min_duration_ms / 1000:g} s or more"
