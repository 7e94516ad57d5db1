"""One job: LoadGen runs a plan over an engine, and gives a result. All of it happens on the machine under test."""

from __future__ import annotations

from pathlib import Path

import attrs

from mlperf_registry.atomic import write_json, write_text
from mlperf_registry.digest import config_digest
from mlperf_registry.execute.child import run_probe, run_test
from mlperf_registry.execute.length import length_of
from mlperf_registry.execute.progress import Progress
from mlperf_registry.execute.rates import missing_rate, with_measured_rate, with_observed_rate, with_some_rate
from mlperf_registry.execute.result import TestEnd, make_result, read_test_end, score_accuracy, write_result
from mlperf_registry.execute.room import not_written, require_room
from mlperf_registry.execute.run_folder import RunFolder, create_run_folder, set_aside
from mlperf_registry.execute.scratch import scratch
from mlperf_registry.rules.user_conf import user_conf
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.plan import Plan
from mlperf_registry.schema.result import RunResult
from mlperf_registry.schema.run import RUN_SCHEMA, LoadGenTest, Run
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure

PERFORMANCE_DIR = "performance/run_1"
ACCURACY_DIR = "accuracy"


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
        accuracy = score_accuracy(run, plan, ends["accuracy"]) if "accuracy" in ends else None
        result = make_result(run, plan, folder, ends.get("performance"), ends.get("accuracy"), accuracy, derived_from)
        write_result(result)
    except OSError as error:
        raise not_written(folder.path, error) from error
    return result


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
