"""From LoadGen's logs to a RunResult: nothing is believed that the logs do not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry import plugins
from mlperf_registry.atomic import write_json, write_text
from mlperf_registry.detail_log import DETAIL_LOG, DetailLog, read_detail_log
from mlperf_registry.execute.departures import departures
from mlperf_registry.execute.host import host_facts, library_versions, versions
from mlperf_registry.execute.run_folder import RunFolder
from mlperf_registry.rules.plan import breaches_of_run, headline_metric
from mlperf_registry.rules.remainder import remainder
from mlperf_registry.schema.plan import Plan
from mlperf_registry.schema.problem import ConfigError, RunFailed
from mlperf_registry.schema.result import RESULT_SCHEMA, Accuracy, EngineUsed, RunResult
from mlperf_registry.schema.run import LoadGenTest, Run
from mlperf_registry.structure import structure, unstructure

RESULT_FILE = "result.json"


@attrs.frozen
class TestEnd:
    """How one LoadGen test ended."""

    log: DetailLog
    failures: tuple[str, ...]
    """What the SUT saw go wrong, sample failures included, and settings that LoadGen did not run with."""
    remarks: tuple[str, ...] = ()
    """What the runner has to say of it beside."""

    @property
    def trouble(self) -> tuple[str, ...]:
        """Everything that went wrong, apart from LoadGen's verdict."""
        return (*self.failures, *self.log.errors)


def read_test_end(folder: Path, test: LoadGenTest, done: dict[str, Any]) -> TestEnd:
    """Read LoadGen's logs of a test whose child ended well.

    Args:
        folder: the run's folder.
        test: what was asked for.
        done: the child's last event.

    Raises:
        RunFailed: when the log is not whole.
    """
    path = folder / test.log_dir / DETAIL_LOG
    if not path.is_file():
        raise RunFailed(f"LoadGen left no {path}: the disk may be full.")
    log = read_detail_log(path)
    failures = (*map(str, done.get("failures", ())), *departures(log, test))
    return TestEnd(log, failures, tuple(map(str, done.get("remarks", ()))))


def score_accuracy(run: Run, plan: Plan, end: TestEnd) -> Accuracy:
    """Score the accuracy log, write accuracy.txt, and hold it against the plan's bounds.

    Raises:
        RunFailed: when the log cannot be scored; what went wrong in the run that left it, ``end``, comes first.
    """
    try:
        return _score_accuracy(run, plan)
    except RunFailed as error:
        if not end.trouble:
            raise
        trouble = "; ".join(reason.rstrip(".") for reason in end.trouble)
        raise RunFailed(f"The accuracy run went wrong: {trouble}. Its log cannot be scored: {error}") from error


def _score_accuracy(run: Run, plan: Plan) -> Accuracy:
    workload = run.workload
    family, options = workload.benchmark.family, workload.benchmark.options
    scratch = Path(run.scratch) if run.scratch else None
    dataset = plugins.open_dataset(workload.scored, scratch)
    folder = Path(run.folder) / run.tests["accuracy"].log_dir
    score = plugins.accuracy_scorer(family)(folder / "mlperf_log_accuracy.json", dataset, options)
    write_text(folder / "accuracy.txt", score.text)
    metric = workload.benchmark.accuracy_metric
    if metric not in score.values:
        raise RunFailed(f"The accuracy code of {family} gave {', '.join(score.values)}, and {metric} decides.")
    target = next((bound.min for bound in plan.accuracy_bounds if bound.metric == metric), None)
    kept = {bound.metric: bound.kept_by(score.values) for bound in plan.accuracy_bounds}
    return Accuracy(
        metric=metric,
        value=score.values[metric],
        target=target,
        passed=score.samples == len(dataset) and False not in kept.values(),
        samples=score.samples,
        unscored=tuple(name for name, holds in kept.items() if holds is None),
    )


def make_result(
    run: Run,
    plan: Plan,
    folder: RunFolder,
    performance: TestEnd | None,
    accuracy_run: TestEnd | None,
    accuracy: Accuracy | None,
    derived_from: str | None = None,
) -> RunResult:
    """The result of a run whose tests have all ended.

    What the workload does not say: ``derived_from``, the system whose tuned values were taken over.
    """
    workload = run.workload
    scenario = workload.scenario.name
    valid, reasons = _validity(performance, accuracy_run)
    if accuracy is not None and accuracy_run is not None and accuracy_run.trouble:
        accuracy = attrs.evolve(accuracy, passed=False)
    full = not workload.benchmark.mini and workload.model.weights == "trained"
    # Without a bound accuracy is missed by nobody, and nothing says that the result may be compared.
    accurate = accuracy is not None and accuracy.passed and accuracy.target is not None and not accuracy.unscored
    settings = plan.performance
    # LoadGen reports token latencies of every scenario, and holds Server's alone to a bound.
    bounded = performance is not None and settings.scenario == "Server" and settings.use_token_latencies
    plugin = plugins.backend(workload.backend.name)
    breaches = breaches_of_run(plan, None if performance is None else performance.log.samples_per_query)
    submittable = bool(valid) and accurate and not breaches and full
    return RunResult(
        schema=RESULT_SCHEMA,
        run_id=run.run_id,
        started=folder.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        system=workload.system.id,
        benchmark=workload.benchmark.id,
        mini=workload.benchmark.mini,
        scenario=scenario,
        accuracy_target=workload.accuracy_target.name,
        power_setting=workload.power_setting.name,
        harness=workload.harness.name,
        backend=workload.backend.name,
        mode=workload.mode.name,
        round=workload.round,
        tuned_round=workload.tuned_round,
        derived_from=derived_from,
        division=workload.division,
        category=workload.effective_category,
        weights=workload.model.weights,
        config_digest=run.config_digest,
        seeds={
            "qsl": settings.qsl_rng_seed,
            "sample_index": settings.sample_index_rng_seed,
            "schedule": settings.schedule_rng_seed,
        },
        valid=valid,
        reasons=reasons,
        remarks=tuple(dict.fromkeys(said for end in (performance, accuracy_run) if end for said in end.remarks)),
        rule_breaches=breaches,
        submittable=submittable,
        still_needed=remainder(workload) if submittable else (),
        metrics=performance.log.metrics(scenario, headline_metric(workload)) if performance else (),
        latency=performance.log.latency_percentiles() if performance else None,
        ttft=(performance.log.ttft_percentiles() or None) if performance else None,
        tpot=(performance.log.tpot_percentiles() or None) if performance else None,
        ttft_limit=settings.ttft_latency_ns if bounded else None,
        tpot_limit=settings.tpot_latency_ns if bounded else None,
        accuracy=accuracy,
        engine=EngineUsed(key=run.engine.key, path=run.engine.path, reused=run.engine.reused),
        versions={**versions(), **library_versions(plugin)},
        host=host_facts(),
        log_dir=run.folder,
        report=str(Path(run.folder) / "report.html"),
    )


def write_result(result: RunResult) -> None:
    """Write result.json, the last file of a run: where it is absent, the run did not end."""
    write_json(Path(result.log_dir) / RESULT_FILE, unstructure(result))


def read_result(folder: Path) -> RunResult:
    """The result in a run's folder.

    Raises:
        RunFailed: when there is none, it cannot be read, or it is of another form.
    """
    path = folder / RESULT_FILE
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFailed(
            f"{folder} has no {RESULT_FILE}: the run there did not end, or this is no run's folder."
        ) from None
    except OSError as error:
        raise RunFailed(f"{path} cannot be read: {error.strerror or error}.") from error
    except RecursionError:
        raise RunFailed(f"{path} is no result: it is nested too deeply.") from None
    except ValueError as error:
        raise RunFailed(f"{path} is no JSON: {error}") from error
    if not isinstance(tree, dict):
        raise RunFailed(f"{path} is no result: it holds no JSON object.")
    if tree.get("schema") != RESULT_SCHEMA:
        raise RunFailed(f"{path} has the form {tree.get('schema')}, and this version reads {RESULT_SCHEMA}.")
    try:
        return structure(RunResult, tree, canonical=True)
    except ConfigError as error:
        raise RunFailed(f"{path} is no result of this version:\n{error}") from error


def _validity(performance: TestEnd | None, accuracy_run: TestEnd | None) -> tuple[bool | None, tuple[str, ...]]:
    """LoadGen's word on the performance run, and what went wrong in either run.

    Trouble in the accuracy run says nothing of the speed measured before it, so it leaves ``valid`` alone.
    """
    inaccurate = () if accuracy_run is None else tuple(f"accuracy run: {reason}" for reason in accuracy_run.trouble)
    if performance is None:
        return None, inaccurate
    reasons = [f"performance run: {reason}" for reason in performance.trouble]
    verdict = performance.log.validity
    if verdict != "VALID":
        reasons += performance.log.invalid_reasons or (f"LoadGen says {verdict or 'nothing'}",)
    return not reasons, tuple(dict.fromkeys((*reasons, *inaccurate)))
