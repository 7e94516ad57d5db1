"""Logs that LoadGen wrote are read as it meant them; damaged ones are read as far as they go, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.detail_log import DETAIL_LOG, DetailLog, parse_detail_log, read_detail_log

LOGS = Path(__file__).parent / "data" / "logs"


def log(name: str) -> DetailLog:
    return read_detail_log(LOGS / name / DETAIL_LOG)


@pytest.mark.parametrize(
    ("name", "scenario", "headline", "unit"),
    [
        ("offline", "Offline", "result_samples_per_second", "samples/s"),
        ("offline_tokens", "Offline", "result_tokens_per_second", "tokens/s"),
        ("server", "Server", "result_completed_samples_per_sec", "samples/s"),
        ("server_tokens", "Interactive", "result_completed_tokens_per_second", "tokens/s"),
        ("singlestream", "SingleStream", "early_stopping_latency_ss", "ns"),
        ("multistream", "MultiStream", "early_stopping_latency_ms", "ns"),
    ],
)
def test_the_headline_of_each_scenario(name: str, scenario: str, headline: str, unit: str) -> None:
    read = log(name)
    first = read.metrics(scenario)[0]
    assert (first.name, first.unit, first.value) == (headline, unit, read.values[headline])


def test_a_round_may_name_another_headline() -> None:
    metrics = log("singlestream").metrics("SingleStream", "result_90.00_percentile_latency_ns")
    assert metrics[0].name == "result_90.00_percentile_latency_ns"
    assert [metric.name for metric in metrics].count("result_90.00_percentile_latency_ns") == 1


def test_a_valid_run() -> None:
    read = log("server")
    assert read.validity == "VALID"
    assert read.errors == read.invalid_reasons == ()
    assert read.latency_percentiles()["99.00"] == 2661267
    assert read.values["effective_target_qps"] == 2000


def test_an_invalid_run_says_why() -> None:
    read = log("server_invalid")
    assert read.validity == "INVALID"
    assert read.invalid_reasons == ("Reduce target QPS to improve latency.",)


def test_errors_are_loadgens() -> None:
    (error,) = log("singlestream").errors
    assert error.startswith("error_runtime: Ending early: Ran out of generated queries")


def test_integers_are_exact() -> None:
    assert log("offline").values["effective_schedule_rng_seed"] == 16159082839903944936


def test_token_latencies_are_figures_of_token_runs() -> None:
    figures = {metric.name: (metric.value, metric.unit) for metric in log("server_tokens").metrics("Interactive")}
    assert figures["result_first_token_99.00_percentile_latency_ns"] == (182234, "ns")
    assert figures["result_time_per_output_token_99.00_percentile_ns"] == (2282, "ns")
    assert not any("token" in metric.name for metric in log("server").metrics("Server"))
    assert log("server_tokens").ttft_percentiles()["99.00"] == 182234
    assert log("server_tokens").tpot_percentiles()["99.00"] == 2282
    assert "99.00" in log("server_tokens").latency_percentiles()
    assert log("server").ttft_percentiles() == log("server").tpot_percentiles() == {}


def test_an_accuracy_run_has_no_verdict() -> None:
    read = log("offline_accuracy")
    assert read.validity is None
    assert read.metrics("Offline") == ()
    assert read.errors == ()


def test_a_log_that_is_cut_off_has_errors_and_no_verdict() -> None:
    text = (LOGS / "server" / DETAIL_LOG).read_text()
    cut = parse_detail_log(text[: text.index("result_validity")])
    assert cut.validity is None
    assert [error.split(":")[0] for error in cut.errors] == [DETAIL_LOG, f"{DETAIL_LOG} ends before LoadGen's verdict"]
    assert cut.values["effective_scenario"] == "Server"


def test_a_garbled_line_is_an_error_and_the_rest_is_read() -> None:
    lines = (LOGS / "server" / DETAIL_LOG).read_text().split("\n")
    read = parse_detail_log("\n".join(["Segmentation fault", *lines]))
    assert read.validity == "VALID"
    assert read.errors == (
        f"{DETAIL_LOG}:1 is no record of LoadGen's, the file is damaged or cut off: 'Segmentation fault'",
    )


def test_a_missing_log_is_a_log_with_an_error(tmp_path: Path) -> None:
    read = read_detail_log(tmp_path / DETAIL_LOG)
    assert read.validity is None
    assert "No such file" in read.errors[0]


@given(cut=st.integers(0, 12_000), noise=st.text(max_size=40))
def test_no_text_raises(cut: int, noise: str) -> None:
    text = (LOGS / "server" / DETAIL_LOG).read_text()
    read = parse_detail_log(text[:cut] + noise + text[cut + len(noise) :])
    assert read.validity in (None, "VALID", "INVALID") or noise
    read.metrics("Server")


def test_a_singlestream_run_of_tokens_is_judged_by_what_a_query_took() -> None:
    read = log("singlestream_tokens")
    metrics = read.metrics("SingleStream", "result_90.00_percentile_latency_ns")
    assert metrics[0].value == 1_878_512_451
    # 253 ms: LoadGen's estimate of the time to first token, under the name that it has for a query's latency.
    assert read.values["early_stopping_latency_ss"] == 253_235_805
    assert "early_stopping_latency_ss" not in {metric.name for metric in metrics}


def test_early_stopping_is_a_reason_and_no_estimate_is_no_figure() -> None:
    read = log("singlestream_tokens_short")
    assert read.validity == "INVALID"
    said = "Only processed 48 queries. Need to process at least 64 queries for early stopping."
    assert read.invalid_reasons == (f"time per output token: {said}",)
    assert all(metric.value for metric in read.metrics("SingleStream", "early_stopping_latency_ss"))
