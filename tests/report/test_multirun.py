"""The report of a multirun shows every point, stars the best, and leads to each run's report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlperf_registry.report.multirun import write_multirun_report
from mlperf_registry.report.points import Point
from mlperf_registry.schema.result import Metric, RunResult


def test_every_point_is_told(tmp_path: Path, make_points: Callable[[], list[Point]]) -> None:
    html = write_multirun_report(tmp_path, make_points()).read_text()
    assert html.count('href="point') == 7 and 'href="point0/report.html"' in html
    assert "★ 2,495 samples/s" in html
    assert "signal 9" in html and "p99 of 22.4 ms" in html
    assert "5 VALID" in html and "2 INVALID" in html and "1 failed" in html


def test_one_swept_number_is_a_curve_with_a_cross_for_what_failed(
    tmp_path: Path, make_points: Callable[[], list[Point]]
) -> None:
    html = write_multirun_report(tmp_path, make_points()).read_text()
    assert html.count('<circle class="dot') == 6
    assert html.count('class="dot star"') == 1 and html.count('class="cross"') == 1


def test_quantities_are_numbers_too(tmp_path: Path, make_result: Callable[..., RunResult]) -> None:
    points = [Point((f"runtime.deque_timeout_usec={text}",), make_result(), None) for text in ("500us", "2ms", "10ms")]
    html = write_multirun_report(tmp_path, points).read_text()
    assert "joined" in html and ">2ms<" in html


def test_two_swept_settings_are_bars(tmp_path: Path, make_result: Callable[..., RunResult]) -> None:
    points = [Point((f"a={a}", f"b={b}"), make_result(), None) for a in (1, 2) for b in ("x", "y")]
    html = write_multirun_report(tmp_path, points).read_text()
    assert html.count('<rect class="bar') == 4


def test_different_metrics_share_no_plot(tmp_path: Path, make_result: Callable[..., RunResult]) -> None:
    single = make_result(scenario="SingleStream", metrics=(Metric(name="p90 latency", value=2e6, unit="ns"),))
    html = write_multirun_report(
        tmp_path, [Point(("s=a",), make_result(), None), Point(("s=b",), single, None)]
    ).read_text()
    assert 'id="points0"' in html and 'id="points1"' in html
    assert "different metrics" in html


def test_a_multirun_whose_points_all_failed_has_a_report(tmp_path: Path) -> None:
    html = write_multirun_report(
        tmp_path, [Point(("a=1",), None, "no <memory>"), Point(("a=2",), None, None)]
    ).read_text()
    assert "no &lt;memory&gt;" in html and "2 failed" in html


def test_values_that_are_no_numbers_are_bars(tmp_path: Path, make_result: Callable[..., RunResult]) -> None:
    points = [Point((f"a={text}",), make_result(), None) for text in ("nan", "inf", "1")]
    html = write_multirun_report(tmp_path, points).read_text()
    assert html.count('<rect class="bar') == 3


def test_accuracy_only_points_have_no_plot(tmp_path: Path, make_result: Callable[..., RunResult]) -> None:
    html = write_multirun_report(tmp_path, [Point((), make_result(valid=None, metrics=()), None)]).read_text()
    assert "<svg" not in html and "accuracy only" in html


def test_a_sweep_of_tokens_tells_which_rate_keeps_the_limits(
    tmp_path: Path, make_result: Callable[..., RunResult]
) -> None:
    points = [
        Point(
            (f"loadgen.server_target_qps={qps}",),
            make_result(
                valid=qps < 8,
                ttft={"99.00": qps * 300e6},
                tpot={"99.00": qps * 10e6},
                ttft_limit=2_000_000_000,
                tpot_limit=100_000_000,
            ),
            None,
        )
        for qps in (2, 4, 8)
    ]
    html = write_multirun_report(tmp_path, points).read_text()
    assert 'id="points-ttft' in html and 'id="points-tpot' in html
    assert "limit 2.00 s" in html and "limit 100 ms" in html
    assert '<span class="bad-text">2.400 s</span>' in html and "<span>1.200 s</span>" in html


def test_a_chip_says_what_was_typed_and_not_what_the_sweeper_made_of_it(
    tmp_path: Path, make_result: Callable[..., RunResult]
) -> None:
    given = "llm.trtllm_server_urls=[localhost\\:9100]"
    html = write_multirun_report(tmp_path, [Point((given, f"a={a}"), make_result(), None) for a in (1, 2)]).read_text()
    assert "[localhost:9100]" in html
