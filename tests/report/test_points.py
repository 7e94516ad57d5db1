"""The best point of a sweep is one that counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlperf_registry.report.points import Point, best_point, report_link, swept
from mlperf_registry.report.verdict import (
    accuracy_line,
    caveats,
    headline,
    metric_name,
    obstacles,
    percentile_of,
    validity,
)
from mlperf_registry.schema.result import Accuracy, Metric, RunResult


def test_the_best_point_is_valid_and_accurate(make_points: Callable[[], list[Point]]) -> None:
    points = make_points()
    best = best_point(points)
    assert best is not None
    assert points[best].overrides[-1] == "loadgen.server_target_qps=2500"


def test_the_lowest_latency_is_best(make_result: Callable[..., RunResult]) -> None:
    points = [
        Point((), make_result(metrics=(Metric(name="90th percentile latency (ns)", value=v, unit="ns"),)), None)
        for v in (3e6, 1e6, 2e6)
    ]
    assert best_point(points) == 1


def test_no_point_is_best_where_none_counts_or_figures_differ_in_kind(make_result: Callable[..., RunResult]) -> None:
    other = make_result(metrics=(Metric(name="Samples per second", value=1.0, unit="samples/s"),))
    assert best_point([Point((), make_result(valid=False), None), Point((), None, "failed")]) is None
    assert best_point([Point((), make_result(), None), Point((), other, None)]) is None
    assert best_point([]) is None


def test_only_settings_that_differ_are_swept() -> None:
    points = [
        Point(("a=1", "b=x", "+flag"), None, ""),
        Point(("a=1", "b=y"), None, ""),
    ]
    assert swept(points) == ("b", "+flag")


def test_links_are_relative(make_result: Callable[..., RunResult], tmp_path: Path) -> None:
    inside = make_result(log_dir=str(tmp_path / "0" / "run"), report="report.html")
    beside = make_result(log_dir="elsewhere", report=str(tmp_path / "other" / "report.html"))
    assert report_link(inside, tmp_path) == "0/run/report.html"
    assert report_link(beside, tmp_path / "sweep") == "../other/report.html"
    assert report_link(make_result(report=None), tmp_path) is None


def test_every_obstacle_is_named(make_result: Callable[..., RunResult]) -> None:
    missed = Accuracy(metric="top1", value=1.0, target=2.0, passed=False, samples=3)
    told = " ".join(obstacles(make_result(valid=False, weights="random", accuracy=missed)))
    for word in ("INVALID", "Accuracy", "mini", "random", "1 rule of round v6.1"):
        assert word in told
    assert obstacles(make_result(submittable=True)) == ()
    assert "no performance run" in " ".join(obstacles(make_result(valid=None)))
    assert "no accuracy run" in " ".join(obstacles(make_result(accuracy=None)))
    untargeted = Accuracy(metric="acc", value=60.0, target=None, passed=True, samples=10)
    assert "No round gives an accuracy target" in " ".join(obstacles(make_result(accuracy=untargeted)))


def test_what_nobody_may_overlook_is_said(make_result: Callable[..., RunResult]) -> None:
    assert [label for label, _ in caveats(make_result(weights="random"))] == ["mini", "random weights", "mode explore"]
    assert caveats(make_result(mini=False, mode="submission")) == ()
    assert [label for label, _ in caveats(make_result(mini=False, mode="test_run"))] == ["mode test_run"]


def test_the_headline_of_an_accuracy_run_is_its_accuracy(make_result: Callable[..., RunResult]) -> None:
    result = make_result(valid=None, metrics=())
    assert headline(result)[0].number == "91.34"
    assert validity(result).word == "ACCURACY ONLY"


@pytest.mark.parametrize(("key", "percentile"), [("99", 99.0), ("p99.9", 99.9), ("99.90", 99.9), ("mean", None)])
def test_percentiles_are_known_by_their_keys(key: str, percentile: float | None) -> None:
    assert percentile_of(key) == percentile


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        ("result_completed_samples_per_sec", "samples/s", "Completed samples per second"),
        ("result_samples_per_second", "samples/s", "Samples per second"),
        ("result_90.00_percentile_latency_ns", "ns", "P90 latency"),
        ("result_mean_latency_ns", "ns", "Mean latency"),
        ("90th percentile latency (ns)", "ns", "90th percentile latency"),
    ],
)
def test_metrics_are_named_in_words(name: str, unit: str, words: str) -> None:
    assert metric_name(Metric(name=name, value=1.0, unit=unit)) == words


def test_trouble_in_the_accuracy_run_is_no_verdict_on_the_performance_run(
    make_result: Callable[..., RunResult],
) -> None:
    accuracy = Accuracy(metric="top1", value=92.0, target=90.0, passed=False, samples=9)
    result = make_result(accuracy=accuracy, reasons=("accuracy run: 3 samples failed",))
    assert not result.good
    assert best_point([Point((), result, None)]) is None
    told = " ".join(obstacles(result))
    assert "INVALID" not in told and "Accuracy did not pass" in told
    assert accuracy_line(accuracy, "%") == "top1 92 %, meets the target of 90 %, and does not pass all the same"
