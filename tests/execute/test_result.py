"""Results: what counts against a run's validity, what against its accuracy, and what LoadGen did not run with."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from mlperf_registry.detail_log import DETAIL_LOG, DetailLog, parse_detail_log, read_detail_log
from mlperf_registry.execute import result as results
from mlperf_registry.execute.departures import departures
from mlperf_registry.execute.result import make_result, read_result, read_test_end
from mlperf_registry.execute.run_folder import RunFolder
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.plan import AccuracyBound, LoadGenSettings
from mlperf_registry.schema.problem import RunFailed
from mlperf_registry.schema.result import Accuracy
from mlperf_registry.schema.run import LoadGenTest, Run

LOGS = Path(__file__).parents[1] / "data" / "logs"
ACCURACY = Accuracy(metric="acc", value=92.0, target=91.0, passed=True, samples=10_000)


def log(name: str) -> DetailLog:
    return read_detail_log(LOGS / name / DETAIL_LOG)


end = results.TestEnd


def loadgen_test(scenario="Server", mode="PerformanceOnly", **changes):
    """What the logs under tests/data were made with."""
    values = {
        "scenario": scenario,
        "min_duration_ms": 300,
        "min_query_count": 1 if scenario == "Offline" else 700,
        "qsl_rng_seed": 2085463073848966840,
        "sample_index_rng_seed": 2747215439041700203,
        "schedule_rng_seed": 16159082839903944936,
        "performance_sample_count_override": 16,
        **changes,
    }
    return LoadGenTest(mode=mode, settings=LoadGenSettings(**values), log_dir="performance/run_1")


@pytest.fixture
def result_of(make_workload, tmp_path):
    """The result of a run with these ends."""

    def make(performance, accuracy_run, accuracy=ACCURACY, change=lambda plan: plan):
        plan = change(make_plan(make_workload()))
        run = Run(
            schema=1,
            run_id="1a2b",
            workload=plan.workload,
            config_digest="0" * 64,
            engine=Engine(key="abc", path="engines/abc", file="engine", sha256="0" * 64, reused=True, why=""),
            tests={},
            folder=str(tmp_path),
        )
        folder = RunFolder("1a2b", datetime.now(timezone.utc), tmp_path)
        return make_result(run, plan, folder, performance, accuracy_run, accuracy)

    return make


def test_a_run_without_trouble_is_good(result_of):
    result = result_of(end(log("server"), ()), end(log("offline_accuracy"), ()))
    assert (result.valid, result.reasons, result.accuracy.passed, result.good) == (True, (), True, True)


def test_trouble_in_the_accuracy_run_leaves_valid_alone(result_of):
    result = result_of(end(log("server"), ()), end(log("offline_accuracy"), ("3 samples failed",)))
    assert result.valid is True
    assert result.reasons == ("accuracy run: 3 samples failed",)
    assert result.accuracy.passed is False
    assert not result.good and not result.submittable


def test_what_the_backend_remarks_stands_in_the_result_once(result_of):
    twice = ("asked twice", "cannot be seen")
    result = result_of(end(log("server"), (), twice), end(log("offline_accuracy"), (), twice[1:]))
    assert result.remarks == twice and result.good


def test_trouble_in_the_performance_run_makes_it_invalid(result_of):
    result = result_of(end(log("server"), ("3 samples failed",)), end(log("offline_accuracy"), ()))
    assert result.valid is False
    assert result.accuracy.passed is True
    assert not result.good


def test_loadgens_verdict_comes_with_its_reasons(result_of):
    result = result_of(end(log("server_invalid"), ()), None, None)
    assert result.valid is False
    assert result.reasons == ("Reduce target QPS to improve latency.",)


def test_an_accuracy_run_alone_has_no_validity_and_can_still_fail(result_of):
    result = result_of(None, end(log("offline_accuracy"), ("3 samples failed",)))
    assert result.valid is None
    assert not result.good


@pytest.mark.parametrize("name", ["offline", "offline_tokens", "server", "server_tokens", "multistream"])
def test_what_was_asked_for_was_in_effect(name):
    read = log(name)
    test = loadgen_test(read.values["effective_scenario"], sample_concatenate_permutation=name.endswith("_tokens"))
    assert departures(read, test) == ()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"scenario": "SingleStream"}, "effective_scenario"),
        ({"mode": "AccuracyOnly"}, "effective_test_mode"),
        ({"qsl_rng_seed": 1}, "effective_qsl_rng_seed"),
        ({"sample_index_rng_seed": 1}, "effective_sample_index_rng_seed"),
        ({"schedule_rng_seed": 1}, "effective_schedule_rng_seed"),
        ({"min_duration_ms": 600_000}, "effective_min_duration_ms"),
        ({"min_query_count": 701}, "effective_min_query_count"),
        ({"sample_concatenate_permutation": True}, "effective_sample_concatenate_permutation"),
        ({"performance_sample_count_override": 1024}, "effective_performance_sample_count"),
    ],
)
def test_a_setting_that_did_not_reach_loadgen_is_a_reason(changes, key):
    (sentence,) = departures(log("server"), loadgen_test(**changes))
    assert key in sentence


def test_an_offline_query_that_is_too_small_is_a_reason():
    (sentence,) = departures(log("offline"), loadgen_test("Offline", min_query_count=24_576))
    assert "effective_min_sample_count = 990" in sentence


@pytest.mark.parametrize(("held", "good"), [(100, True), (216, True), (96, False), (None, False)])
def test_with_equal_issue_loadgen_makes_whole_rounds_over_the_samples(held, good):
    test = loadgen_test(min_query_count=100, sample_concatenate_permutation=True)
    read = attrs.evolve(log("server_tokens"), values={**log("server_tokens").values, "effective_min_query_count": held})
    if held is None:
        del read.values["effective_min_query_count"]
    sentences = departures(read, test)
    assert sentences == () if good else "100 or more was asked for" in sentences[0]


def test_lengths_do_not_matter_in_an_accuracy_run():
    test = loadgen_test("Offline", "AccuracyOnly", min_duration_ms=600_000, min_query_count=24_576)
    assert departures(log("offline_accuracy"), test) == ()


def test_a_setting_that_the_log_does_not_state_is_a_reason():
    sentences = departures(parse_detail_log(""), loadgen_test())
    assert any("effective_scenario = unknown" in sentence for sentence in sentences)


def test_a_tests_end_holds_failures_departures_and_errors(tmp_path):
    test = loadgen_test(schedule_rng_seed=1)
    (tmp_path / test.log_dir).mkdir(parents=True)
    with pytest.raises(RunFailed, match="disk may be full"):
        read_test_end(tmp_path, test, {})
    (tmp_path / test.log_dir / DETAIL_LOG).write_text((LOGS / "server" / DETAIL_LOG).read_text())
    read = read_test_end(tmp_path, test, {"failures": ["one"]})
    assert read.trouble[0] == "one" and "schedule_rng_seed" in read.trouble[1]
    damaged = attrs.evolve(read.log, errors=("cut off",))
    assert attrs.evolve(read, log=damaged).trouble[2] == "cut off"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "holds no JSON object"),
        ("null", "holds no JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "is no JSON"),
        ('{"schema": 99}', "has the form 99"),
        ('{"schema": 1, "run_id": 5}', "no result of this version"),
        ("\udcff", "is no JSON"),
    ],
)
def test_a_result_of_another_form_is_a_sentence_that_names_the_file(tmp_path, text, said):
    (tmp_path / "result.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RunFailed, match=rf"result\.json .*{said}"):
        read_result(tmp_path)


def test_a_folder_in_place_of_a_result_is_a_sentence(tmp_path):
    with pytest.raises(RunFailed, match=r"has no result\.json"):
        read_result(tmp_path)
    (tmp_path / "result.json").mkdir()
    with pytest.raises(RunFailed, match=r"result\.json cannot be read: Is a directory"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("changes", "submittable"), [({}, True), ({"target": None}, False), ({"unscored": ("mbxp_accuracy",)}, False)]
)
def test_without_a_target_or_all_of_the_score_nothing_is_submittable(result_of, changes, submittable):
    def full(plan):
        benchmark = attrs.evolve(plan.workload.benchmark, mini=False)
        return attrs.evolve(plan, breaches=(), workload=attrs.evolve(plan.workload, benchmark=benchmark))

    result = result_of(
        end(log("server"), ()), end(log("offline_accuracy"), ()), attrs.evolve(ACCURACY, **changes), change=full
    )
    assert result.accuracy.passed is True
    assert result.submittable is submittable
    assert bool(result.still_needed) is submittable, "a cell that keeps the rules is no submission"


@pytest.mark.parametrize(
    ("samples", "said"), [(24_576, []), (24_575, ["the Offline query must hold 24576 samples or more, held 24575"])]
)
def test_the_size_of_the_offline_query_is_judged_by_what_ran(result_of, samples, said):
    performance = log("offline")
    performance = attrs.evolve(performance, values={**performance.values, "effective_samples_per_query": samples})

    def found(result):
        return [breach.message for breach in result.rule_breaches if breach.rule == "offline-samples"]

    assert found(result_of(end(performance, ()), None)) == said
    (planned,) = found(result_of(None, end(log("offline_accuracy"), ())))
    assert planned == "must be 24576 or more, is 1: the fewest samples of the Offline query"


@pytest.fixture
def scored_as(make_workload, monkeypatch, tmp_path):
    """What an accuracy run is worth whose log a benchmark's code scores so."""

    def scored(score, trouble=()):
        workload = make_workload()
        bounds = (AccuracyBound(metric="acc", min=90.0), AccuracyBound(metric="mbxp", min=59.5))
        plan = attrs.evolve(make_plan(workload), accuracy_bounds=bounds)
        (tmp_path / "accuracy").mkdir()
        run = SimpleNamespace(
            workload=attrs.evolve(workload, benchmark=attrs.evolve(workload.benchmark, accuracy_metric="acc")),
            scratch=None,
            folder=str(tmp_path),
            tests={"accuracy": SimpleNamespace(log_dir="accuracy")},
        )
        monkeypatch.setattr(results.plugins, "open_dataset", lambda *_: range(10))
        monkeypatch.setattr(results.plugins, "accuracy_scorer", lambda _: score)
        return results.score_accuracy(run, plan, end(log("offline_accuracy"), trouble))

    return scored


@pytest.mark.parametrize(
    ("values", "passed", "unscored"),
    [
        ({"acc": 91.0, "mbxp": 60.0}, True, ()),
        ({"acc": 91.0}, True, ("mbxp",)),
        ({"acc": 89.0}, False, ("mbxp",)),
        ({"acc": 91.0, "mbxp": 50.0}, False, ()),
    ],
)
def test_a_metric_that_is_not_scored_here_is_not_a_missed_one(scored_as, values, passed, unscored):
    scored = scored_as(lambda *_: SimpleNamespace(values=values, samples=10, text=""))
    assert (scored.passed, scored.unscored) == (passed, unscored)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ((), r"^No classes\.$"),
        (
            ("The GPU fell over. (3 samples)", "LoadGen ran with x = 1"),
            r"^The accuracy run went wrong: The GPU fell over\. \(3 samples\); LoadGen ran with x = 1\. "
            r"Its log cannot be scored: No classes\.$",
        ),
    ],
)
def test_why_a_run_failed_comes_before_what_is_wrong_with_its_log(scored_as, trouble, said):
    def score(*_):
        raise RunFailed("No classes.")

    with pytest.raises(RunFailed, match=said):
        scored_as(score, trouble)


@pytest.mark.parametrize(("scenario", "limit"), [("Server", 2_000_000_000), ("Offline", None)])
def test_a_result_says_what_token_latencies_are_held_to(result_of, scenario, limit):
    def tokens(plan):
        settings = attrs.evolve(
            plan.performance, scenario=scenario, use_token_latencies=True, ttft_latency_ns=2_000_000_000
        )
        return attrs.evolve(plan, performance=settings)

    assert result_of(end(log("server_tokens"), ()), None, None, change=tokens).ttft_limit == limit
