"""Published results: the shipped rows are those of the logs, and each result has one metric that its round compares."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import mlperf_registry.published.results as module
from mlperf_registry.published.results import FILTERS, official_metric, published
from mlperf_registry.schema.problem import ConfigError

FILE = Path(module.__file__).parent / "results.csv.gz"


def test_all_rows_are_there():
    rows = published()
    assert len(rows) == 3065
    assert Counter(row.round for row in rows) == {
        "v5.1": 925,
        "v1.0": 540,
        "v3.0": 371,
        "v2.1": 306,
        "v0.7": 304,
        "v3.1": 268,
        "v4.1": 200,
        "v4.0": 151,
    }
    assert {row.submitter for row in rows if row.round != "v5.1"} == {"NVIDIA"}


def test_each_result_has_one_official_metric():
    results = defaultdict(list)
    for row in published():
        key = (row.round, row.submitter, row.system, row.benchmark, row.scenario, row.accuracy_target, row.source)
        results[key].append(row.official)
    assert len(results) == 2026
    assert Counter(sum(official) for official in results.values()) == {1: 2026}
    assert len(published(official=True)) == 2026


@pytest.mark.parametrize(
    ("filters", "metric", "value", "unit", "per_accelerator"),
    [
        (
            "submitter=ASUSTeK system=ESC8000_H200_NVLx8_TRT benchmark=dlrm-v2 accuracy_target=99.9 scenario=Offline",
            "samples_per_second",
            348225,
            "samples/s",
            348225 / 8,
        ),
        (
            "submitter=ASUSTeK system=ESC8000_H200_NVLx8_TRT benchmark=dlrm-v2 accuracy_target=99 scenario=Server",
            "completed_samples_per_second",
            450099.85,
            "samples/s",
            450099.85 / 8,
        ),
        (
            "round=v5.1 submitter=Broadcom_Supermicro benchmark=whisper",
            "tokens_per_second",
            41927.4,
            "tokens/s",
            41927.4 / 8,
        ),
        (
            "round=v4.0 system=DGX-H100_H100-SXM-80GBx8_TRT benchmark=resnet50 scenario=Offline",
            "samples_per_second",
            703770.0,
            "samples/s",
            703770.0 / 8,
        ),
        (
            "round=v4.1 system=DGX-H100_H100-SXM-80GBx8_TRT benchmark=gptj scenario=offline accuracy_target=k_99",
            "samples_per_second",
            286.084,
            "samples/s",
            286.084 / 8,
        ),
    ],
)
def test_rows_are_those_of_the_logs(filters, metric, value, unit, per_accelerator):
    (row,) = published(dict(word.split("=") for word in filters.split()), official=True)
    assert (row.metric, row.value, row.unit) == (metric, value, unit)
    assert row.per_accelerator == pytest.approx(per_accelerator)
    assert row.source.startswith(f"mlcommons/inference_results_{row.round}@")


@pytest.mark.parametrize(
    ("round_name", "scenario", "metrics", "official"),
    [
        ("v0.7", "Server", "completed_samples scheduled_samples", "scheduled_samples_per_second"),
        ("v4.0", "Server", "completed_samples", "completed_samples_per_second"),
        ("v4.1", "Server", "completed_samples scheduled_samples", "completed_samples_per_second"),
        ("v5.1", "Interactive", "completed_samples completed_tokens", "completed_tokens_per_second"),
        ("v5.1", "Offline", "samples tokens", "tokens_per_second"),
        ("v3.1", "Offline", "power_watts", None),
        ("v1.0", "SingleStream", "latency_ns_p90", "latency_ns_p90"),
        ("v2.1", "SingleStream", "latency_ns_p90 latency_ns_early_stopping_p90", "latency_ns_early_stopping_p90"),
        ("v3.1", "MultiStream", "latency_ms_early_stopping_p99 power_watts", "latency_ms_early_stopping_p99"),
        ("v0.7", "MultiStream", "samples_per_query", "samples_per_query"),
    ],
)
def test_rounds_compare_different_metrics(round_name, scenario, metrics, official):
    spelled = [f"{name}_per_second" if name.endswith(("samples", "tokens")) else name for name in metrics.split()]
    assert official_metric(round_name, scenario, spelled) == official


def test_filters_are_patterns_whatever_the_case():
    rows = published({"benchmark": "ResNet50", "system": "*h100*", "scenario": "offline"})
    assert rows
    assert all(row.benchmark == "resnet50" and "H100" in row.system and row.scenario == "Offline" for row in rows)
    assert published({"system": "no such system"}) == []


def test_benchmarks_go_by_our_id_and_by_the_logs_name():
    assert published({"benchmark": "sdxl"}) == published({"benchmark": "stable-diffusion-xl"}) != []
    assert {row.benchmark for row in published({"benchmark": "llama3*405b"})} == {"llama3.1-405b"}


def test_an_accuracy_target_goes_by_any_of_its_names():
    rows = published({"accuracy_target": "high_accuracy"})
    assert rows == published({"accuracy_target": "99.9"}) == published({"accuracy_target": "0.999"})
    assert len(rows) == 763


def test_rows_come_newest_round_first_within_a_cell():
    rows = published({"benchmark": "resnet50", "scenario": "Server", "accuracy_target": "99"})
    rounds = list(dict.fromkeys(row.round for row in rows))
    assert rounds == ["v4.1", "v4.0", "v3.1", "v3.0", "v2.1", "v1.0", "v0.7"]


def test_only_what_accelerators_do_together_is_shared_out():
    for row in published():
        together = row.unit in {"samples/s", "tokens/s", "samples/query"}
        assert (row.per_accelerator is not None) == (row.accelerators > 0 and together)


def test_a_metric_that_the_logs_lack_is_said():
    noted = {(row.round, row.benchmark) for row in published() if row.note}
    assert noted == {("v4.1", "gptj")}


def test_an_unknown_filter_is_bad_input():
    with pytest.raises(ConfigError) as caught:
        published({"benchmrk": "resnet50", "power": "x"})
    assert [problem.path for problem in caught.value.problems] == ["benchmrk", "power"]
    assert "did you mean benchmark?" in str(caught.value)
    assert all(name in str(caught.value) for name in FILTERS)


def test_the_file_is_the_same_wherever_it_is_made():
    header = FILE.read_bytes()[:10]
    assert header[:4] == b"\x1f\x8b\x08\x00"  # no file name
    assert header[4:8] == bytes(4)  # no time


def test_nothing_is_read_before_it_is_asked_for():
    code = "import mlperf_registry.published.results as r; print(r._all.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
