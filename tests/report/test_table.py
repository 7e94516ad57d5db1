"""The terminal says the same as the report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from rich.console import Console

from mlperf_registry.report.points import Point
from mlperf_registry.report.table import multirun_summary, run_summary
from mlperf_registry.schema.result import RunResult


def _printed(renderable: object) -> str:
    console = Console(width=160, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_summary_of_a_run(make_result: Callable[..., RunResult]) -> None:
    text = _printed(run_summary(make_result(), accuracy_unit="%"))
    for word in ("1,996 samples/s", "VALID", "p99 9.681 ms", "meets the target of 90.1908 %", "mini", "report.html"):
        assert word in text


def test_a_cell_that_keeps_the_rules_is_not_called_a_submission(make_result: Callable[..., RunResult]) -> None:
    needs = ("compliance runs of TEST01 and TEST04", "runs of SingleStream and MultiStream")
    text = _printed(run_summary(make_result(submittable=True, rule_breaches=(), still_needed=needs)))
    assert "this cell keeps those of v6.1" in text and "submittable" not in text
    assert f"a submission still needs {'; '.join(needs)}" in text


def test_the_summary_of_an_invalid_run_gives_the_reasons(make_result: Callable[..., RunResult]) -> None:
    text = _printed(
        run_summary(make_result(valid=False, reasons=("Min duration [bold]satisfied : NO",), accuracy=None))
    )
    assert "INVALID" in text and "[bold]satisfied" in text and "not measured" in text


def test_the_table_of_a_multirun(make_points: Callable[[], list[Point]]) -> None:
    text = _printed(multirun_summary(make_points()))
    assert "★ 2,495 samples/s" in text and "signal 9" in text and "INVALID" in text


def test_a_multirun_says_what_nobody_may_overlook_once(make_result: Callable[..., RunResult]) -> None:
    weights = ("trained", "random", "random")
    results = [make_result(weights=which, mode="submission") for which in weights]
    text = _printed(multirun_summary([Point((f"q={at}",), result, None) for at, result in enumerate(results)]))
    assert text.count("random weights (2 of 3): The weights are random: only the speed means something") == 1
    assert text.count("mini: A mini benchmark") == 1


def test_importing_the_report_imports_neither_numpy_nor_rich() -> None:
    code = (
        "import sys, mlperf_registry.report.run, mlperf_registry.report.multirun, mlperf_registry.report.table;"
        "sys.exit(bool({'numpy', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_sweep_of_tokens_has_their_latencies(make_result: Callable[..., RunResult]) -> None:
    results = [make_result(ttft={"99.00": ns}, ttft_limit=2_000_000_000) for ns in (1e9, 3e9)]
    text = _printed(multirun_summary([Point((f"q={at}",), result, None) for at, result in enumerate(results)]))
    assert "TTFT p99" in text and "TPOT p99" not in text
    assert "1.000 s / 2.00 s" in text and "3.000 s / 2.00 s" in text
