"""The report of a run says what matters, escapes what it is given, and is written whatever the samples are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlperf_registry.report.provenance import ProvenanceRow
from mlperf_registry.report.run import write_run_report
from mlperf_registry.report.verdict import obstacles
from mlperf_registry.schema.plan import Breach, LoadGenSettings
from mlperf_registry.schema.result import Accuracy, EngineUsed, Metric, RunResult

MS = 1_000_000
Make = Callable[..., RunResult]


def test_a_report_says_what_matters(
    tmp_path: Path,
    make_result: Make,
    make_settings: Callable[..., LoadGenSettings],
    make_samples: Callable[..., Path],
    make_provenance: Callable[[], list[ProvenanceRow]],
) -> None:
    samples = make_samples(count=2000)
    path = write_run_report(tmp_path, make_result(), make_settings(), make_provenance(), samples, accuracy_unit="%")
    assert path == tmp_path / "report.html"
    html = path.read_text(encoding="utf-8")
    for word in (
        "1,996",
        "samples/s",
        "VALID",
        "91.34",
        "90.1908",
        "PASSED",
        "Not submittable",
        "mini",
        "mode explore",
    ):
        assert word in html
    assert "min_duration" in html and "conf/mode/explore.yaml:5" in html and "= 10 s" in html
    assert "Xeon" in html and "31.1 GiB" in html and "1.23.2" in html and 'href="samples.npz"' in html
    for name in ("latency", "tail", "throughput"):
        assert '<svg class="plot' in html and f'id="{name}"' in html
    assert 'id="ttft"' not in html
    assert html.count("<caption>") == html.count("<table")


def test_a_cell_that_keeps_the_rules_is_not_called_a_submission(tmp_path: Path, make_result: Make) -> None:
    kept = make_result(submittable=True, rule_breaches=(), still_needed=("compliance runs of TEST01 and TEST04",))
    html = write_run_report(tmp_path, kept).read_text()
    assert "This cell keeps them" in html and "ubmittable" not in html
    assert "A submission still needs:" in html and "<li>compliance runs of TEST01 and TEST04</li>" in html


@pytest.mark.parametrize(
    ("tuned_round", "derived_from", "label"),
    [("none", None, "untuned"), ("v4.1", None, "tuned v4.1"), ("v4.1", "L4x1", "derived from L4x1, v4.1")],
)
def test_values_taken_over_are_not_called_tuned(
    tmp_path: Path, make_result: Make, tuned_round: str, derived_from: str | None, label: str
) -> None:
    html = write_run_report(tmp_path, make_result(tuned_round=tuned_round, derived_from=derived_from)).read_text()
    assert f">{label}</li>" in html
    assert html.count("Nobody tuned generic_cpu") == (derived_from is not None)


def test_what_a_backend_remarks_is_shown(tmp_path: Path, make_result: Make) -> None:
    html = write_run_report(tmp_path, make_result(remarks=("It was <asked> twice.",))).read_text()
    assert "It was &lt;asked&gt; twice." in html


def test_reasons_for_invalid_are_loadgens_own(tmp_path: Path, make_result: Make) -> None:
    html = write_run_report(tmp_path, make_result(valid=False, reasons=("Min queries satisfied : NO",))).read_text()
    assert "INVALID" in html and "Min queries satisfied : NO" in html


def test_random_weights_and_failed_accuracy_are_said(tmp_path: Path, make_result: Make) -> None:
    accuracy = Accuracy(metric="top1", value=10.2, target=90.1908, passed=False, samples=10_000)
    html = write_run_report(tmp_path, make_result(weights="random", accuracy=accuracy)).read_text()
    assert "random weights" in html and "MISSED" in html


def test_accuracy_of_which_a_part_is_not_scored_is_incomplete(tmp_path: Path, make_result: Make) -> None:
    accuracy = Accuracy(metric="ROUGE1", value=45.6, target=45.1, passed=True, samples=15_000, unscored=("mbxp",))
    result = make_result(accuracy=accuracy)
    html = write_run_report(tmp_path, result).read_text()
    assert "INCOMPLETE" in html and "mbxp not scored here" in html and result.good
    assert any(said.startswith("Accuracy is incomplete: mbxp") for said in obstacles(result))


def test_token_runs_have_their_histograms_and_bounds(
    tmp_path: Path, make_result: Make, make_settings: Callable[..., LoadGenSettings], make_samples: Callable[..., Path]
) -> None:
    settings = make_settings(
        use_token_latencies=True, server_target_latency_ns=0, ttft_latency_ns=500 * MS, tpot_latency_ns=30 * MS
    )
    html = write_run_report(
        tmp_path, make_result(scenario="Interactive"), settings, (), make_samples(2000, 50, tokens=True)
    ).read_text()
    assert 'id="ttft"' in html and 'id="tpot"' in html
    assert "bound 500 ms" in html and "bound 30.0 ms" in html


def test_token_runs_have_loadgens_percentiles_above_the_suts_against_their_bounds(
    tmp_path: Path, make_result: Make, make_settings: Callable[..., LoadGenSettings], make_samples: Callable[..., Path]
) -> None:
    settings = make_settings(
        use_token_latencies=True, server_target_latency_ns=0, ttft_latency_ns=500 * MS, tpot_latency_ns=30 * MS
    )
    result = make_result(scenario="Server", ttft={"50.00": 77.7 * MS, "99.00": 501.0 * MS}, tpot={"99.00": 29.0 * MS})
    html = write_run_report(tmp_path, result, settings, (), make_samples(2000, 50, tokens=True)).read_text()
    assert "TTFT percentiles" in html and "TPOT percentiles" in html
    assert "77.70 ms" in html and "501.0 ms" in html
    assert "&gt; 500.0 ms" in html and "≤ 30.00 ms" in html


def test_a_token_run_says_how_many_tokens_came(
    tmp_path: Path, make_result: Make, make_samples: Callable[..., Path]
) -> None:
    samples = make_samples(issue_ns=[0, 0], complete_ns=[MS * 1000, MS * 2000], token_count=[100, 200])
    html = write_run_report(tmp_path, make_result(scenario="Offline"), None, (), samples).read_text()
    assert "300 output tokens" in html and "150.0 a sample" in html and "150.0 tokens/s" in html
    assert 'id="ttft"' not in html


def test_the_bound_and_the_bars_beyond_it_are_drawn(
    tmp_path: Path, make_result: Make, make_settings: Callable[..., LoadGenSettings], make_samples: Callable[..., Path]
) -> None:
    html = write_run_report(tmp_path, make_result(), make_settings(), (), make_samples()).read_text()
    assert "bound 15.0 ms" in html and "≤ 15.00 ms" in html
    assert 'class="bar over"' in html
    late = make_result(latency={"99": 20.0 * MS})
    assert "&gt; 15.00 ms" in write_run_report(tmp_path, late, make_settings(), (), make_samples()).read_text()


@pytest.mark.parametrize(
    "arrays",
    [
        {"issue_ns": [0], "complete_ns": [1_234_567]},
        {"issue_ns": np.arange(500) * 2 * MS, "complete_ns": np.arange(500) * 2 * MS + 1_234_567},
        {"issue_ns": [0, 0, 0], "complete_ns": [1, 2, 3]},
        {"issue_ns": np.zeros(1000), "complete_ns": np.geomspace(1, 1e12, 1000)},
    ],
    ids=["one", "equal", "nanoseconds", "twelve decades"],
)
@pytest.mark.parametrize("scenario", ["Server", "Offline", "SingleStream", "MultiStream"])
def test_odd_samples_are_drawn(
    tmp_path: Path,
    make_result: Make,
    make_settings: Callable[..., LoadGenSettings],
    make_samples: Callable[..., Path],
    arrays: dict[str, list[int]],
    scenario: str,
) -> None:
    settings = make_settings(scenario=scenario)
    html = write_run_report(tmp_path, make_result(scenario=scenario), settings, (), make_samples(**arrays)).read_text()
    assert '<rect class="bar' in html
    assert not re.search(r'="-?(nan|inf)', html)


def test_without_samples_there_is_a_report_that_says_so(tmp_path: Path, make_result: Make) -> None:
    assert "recorded no samples.npz" in write_run_report(tmp_path, make_result()).read_text()
    assert "is not there" in write_run_report(tmp_path, make_result(), samples=tmp_path / "samples.npz").read_text()
    (tmp_path / "samples.npz").write_bytes(b"torn")
    assert "cannot be read" in write_run_report(tmp_path, make_result(), samples=tmp_path / "samples.npz").read_text()


def test_an_accuracy_run_has_no_latency(tmp_path: Path, make_result: Make) -> None:
    html = write_run_report(tmp_path, make_result(valid=None, metrics=(), latency=None)).read_text()
    assert "ACCURACY ONLY" in html and "<h2>Latency</h2>" not in html


def test_a_million_samples_make_a_small_file(
    tmp_path: Path, make_result: Make, make_settings: Callable[..., LoadGenSettings], make_samples: Callable[..., Path]
) -> None:
    path = write_run_report(tmp_path, make_result(), make_settings(), (), make_samples(1_000_000, 20_000.0))
    assert path.stat().st_size < 200_000


def test_everything_that_is_given_is_escaped(tmp_path: Path, make_result: Make) -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    result = make_result(
        system=evil,
        benchmark=evil,
        reasons=(evil,),
        rule_breaches=(Breach(rule=evil, path=evil, message=evil, reason=evil, citation=evil),),
        metrics=(Metric(name=evil, value=1.0, unit=evil), Metric(name=evil, value=1.0, unit=evil)),
        latency={evil: 1.0},
        accuracy=Accuracy(metric=evil, value=1.0, target=1.0, passed=True, samples=1),
        engine=EngineUsed(key=evil, path=evil, reused=False),
        versions={evil: evil},
        host={evil: evil},
        valid=False,
        run_id=evil,
        started=evil,
        category=evil,
    )
    rows = [ProvenanceRow(f"a.{evil}", evil, evil, evil, ((evil, 1, evil), (evil, None, [evil])))]
    (tmp_path / "<img src=x>.txt").write_text("")
    html = write_run_report(tmp_path, result, None, rows, accuracy_unit=evil).read_text()
    assert "<img" not in html


def test_the_file_appears_whole_and_alone(tmp_path: Path, make_result: Make) -> None:
    write_run_report(tmp_path, make_result())
    write_run_report(tmp_path, make_result())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
