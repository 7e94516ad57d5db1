"""Rates: measured only where the configuration leaves them out and a test needs them, and never in a submission."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from mlperf_registry.detail_log import parse_detail_log
from mlperf_registry.execute import job
from mlperf_registry.execute.engine import build
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.execute.rates import (
    missing_rate,
    rate_problem,
    with_measured_rate,
    with_observed_rate,
    with_some_rate,
)
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.plan import RATE_FIELD
from mlperf_registry.schema.problem import ConfigError

PROBE = {
    "samples_per_second": 1000.0,
    "peak_samples_per_second": 1100.0,
    "latency_ns": 2_000_000,
    "multi_stream_latency_ns": 9_000_000,
}


@pytest.fixture
def plan(make_workload):
    return lambda *overrides: make_plan(make_workload(*overrides))


@pytest.mark.parametrize("scenario", RATE_FIELD)
def test_each_scenario_lacks_one_value_and_the_probe_fills_it(plan, scenario):
    bare = plan(f"scenario={scenario}")
    field = RATE_FIELD[scenario]
    assert missing_rate(bare) == field
    assert rate_problem(bare).path == f"loadgen.{field}"
    measured = attrs.evolve(
        bare,
        performance=with_measured_rate(bare.performance, PROBE),
        accuracy=with_measured_rate(bare.accuracy, PROBE),
    )
    assert missing_rate(measured) is None


def test_a_given_rate_is_left_alone(plan):
    given = plan("scenario=server", "loadgen.server_target_qps=7.0")
    assert with_measured_rate(given.performance, PROBE) == with_some_rate(given.performance) == given.performance
    assert missing_rate(given) is rate_problem(given) is None


@pytest.mark.parametrize("scenario", ["offline", "singlestream", "multistream"])
def test_an_accuracy_run_needs_no_rate_that_loadgen_would_not_heed(plan, scenario):
    alone = plan(f"scenario={scenario}", "loadgen.test_mode=AccuracyOnly")
    assert missing_rate(alone) is None
    settings = with_some_rate(alone.accuracy)
    assert getattr(settings, RATE_FIELD[settings.scenario]) is not None


def test_a_server_accuracy_run_is_paced_and_needs_its_rate(plan):
    words = ("scenario=server", "loadgen.test_mode=AccuracyOnly")
    assert missing_rate(plan(*words)) == "server_target_qps"
    assert missing_rate(plan(*words, "loadgen.accuracy_server_target_qps=50")) is None
    assert with_some_rate(plan(*words).accuracy).server_target_qps is None


def test_a_submission_hears_of_its_missing_rate_together_with_all_else(make_workload):
    workload = make_workload("mode=submission", "loadgen.min_duration=5s")
    with pytest.raises(ConfigError) as refused:
        plan_for(workload, Silent())
    paths = {problem.path for problem in refused.value.problems}
    assert paths >= {"category", "loadgen.min_duration", "loadgen.offline_expected_qps"}


def test_an_engine_for_a_submission_is_planned_without_a_rate(make_workload):
    workload = make_workload("mode=submission", "category=edge")
    with pytest.raises(ConfigError, match="offline_expected_qps"):
        plan_for(workload, Silent())
    assert plan_for(workload, Silent(), runs=False).breaches == ()


TOO_SHORT = {
    "effective_test_mode": "PerformanceOnly",
    "result_validity": "INVALID",
    "result_min_duration_met": False,
    "result_min_queries_met": True,
    "result_samples_per_second": 4549.0,
}


def detail(**changes):
    values = {**TOO_SHORT, **changes}
    return parse_detail_log(
        "\n".join(f":::MLLOG {json.dumps({'key': key, 'value': value})}" for key, value in values.items())
    )


def test_a_run_that_was_only_too_short_is_sized_by_what_it_reached(plan):
    longer = with_observed_rate(plan("loadgen.offline_expected_qps=2105"), detail())
    assert longer.performance.offline_expected_qps == pytest.approx(2 * 4549)


@pytest.mark.parametrize(
    "changes",
    [
        {"result_validity": "VALID"},
        {"result_min_duration_met": True},
        {"result_min_queries_met": False},
        {"result_samples_per_second": None},
    ],
)
def test_a_run_that_another_rate_does_not_cure_is_left_alone(plan, changes):
    assert with_observed_rate(plan("loadgen.offline_expected_qps=2105"), detail(**changes)) is None
    assert with_observed_rate(plan("scenario=server"), detail()) is None


def test_a_probe_that_saw_the_engine_too_slow_costs_one_repeat(make_workload, monkeypatch, tmp_path):
    slow = {**PROBE, "samples_per_second": 500.0, "peak_samples_per_second": 600.0}
    monkeypatch.setattr(job, "run_probe", lambda *_, **__: slow)
    notes = []
    progress = Silent()
    progress.note = notes.append
    workload = make_workload(
        "loadgen.test_mode=PerformanceOnly", "loadgen.min_duration=600ms", "runtime.warmup_duration=50ms"
    )
    engine = build(workload, tmp_path, progress)
    result = job.execute(workload, plan_for(workload, progress), engine, tmp_path, progress)
    assert result.valid, result.reasons
    assert sum("running again" in note for note in notes) == 1
    folder = Path(result.log_dir)
    kept = folder / "performance" / "first_attempt"
    for place in (folder, kept):
        assert (place / "samples.npz").is_file() and (place / "user.conf").is_file()
    first, last = (json.loads((place / "run.json").read_text())["tests"]["performance"] for place in (kept, folder))
    assert first["settings"]["offline_expected_qps"] == pytest.approx(1.3 * 600)
    assert last["settings"]["offline_expected_qps"] > 1.3 * 600
    assert last["log_dir"] == "performance/run_1"
    for logs in (kept, folder / "performance" / "run_1"):
        assert (logs / "mlperf_log_detail.txt").stat().st_size > 0


def test_a_given_rate_is_never_run_again(make_workload, tmp_path):
    workload = make_workload(
        "loadgen.test_mode=PerformanceOnly",
        "loadgen.min_duration=600ms",
        "runtime.warmup_duration=50ms",
        "loadgen.offline_expected_qps=100",
    )
    engine = build(workload, tmp_path, Silent())
    result = job.execute(workload, plan_for(workload, Silent()), engine, tmp_path, Silent())
    assert result.valid is False
    assert not (Path(result.log_dir) / "performance" / "first_attempt").exists()
