"""Settings: field by field what LoadGen's own mlperf.conf and our user.conf give, in the newest round."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
from checkout import python_path

from harness.loadgen.binding import loadgen
from harness.loadgen.settings import make_log_settings, make_test_settings
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.problem import NotReady, RunFailed

SCRIPT = Path(__file__).with_name("print_settings.py")

NOT_FROM_CONFIG = {"scenario", "mode"}
"""The caller's to set, LoadGen says."""
OF_TEST05 = {"test05_qsl_rng_seed", "test05_sample_index_rng_seed", "test05_schedule_rng_seed"}
"""Read only by a compliance test that ended with round v4.1."""


@pytest.mark.parametrize("scenario", ["Offline", "Server", "SingleStream", "MultiStream"])
def test_every_field_is_what_from_config_gives(scenario, tmp_path):
    command = [sys.executable, SCRIPT, scenario, tmp_path]
    printed = subprocess.run(command, env=python_path(), check=True, capture_output=True, text=True).stdout
    ours, theirs = json.loads(printed)
    compared = set(ours) - NOT_FROM_CONFIG - OF_TEST05
    assert len(compared) > 30
    assert {name: ours[name] for name in compared} == pytest.approx({name: theirs[name] for name in compared})
    assert ours["scenario"] == f"TestScenario.{scenario}"
    assert ours["mode"] == "TestMode.PerformanceOnly"


def settings(**fields):
    required = {
        "scenario": "Server",
        "min_duration_ms": 1,
        "min_query_count": 1,
        "qsl_rng_seed": 1,
        "sample_index_rng_seed": 1,
        "schedule_rng_seed": 1,
        "performance_sample_count_override": 1,
    }
    return LoadGenSettings(**{**required, **fields})


def test_token_latencies():
    made = make_test_settings(
        settings(server_target_qps=1.5, use_token_latencies=True, ttft_latency_ns=5, tpot_latency_ns=7), "AccuracyOnly"
    )
    assert (made.use_token_latencies, made.ttft_latency, made.tpot_latency) == (True, 5, 7)
    assert made.mode.name == "AccuracyOnly"


def test_the_seed_of_the_accuracy_log():
    assert make_test_settings(settings(server_target_qps=1.0), "PerformanceOnly").accuracy_log_rng_seed == 0
    seeded = settings(server_target_qps=1.0, accuracy_log_rng_seed=2**64 - 1)
    assert make_test_settings(seeded, "PerformanceOnly").accuracy_log_rng_seed == 2**64 - 1


def test_an_accuracy_run_that_is_cut():
    cut = settings(server_target_qps=1.0, accuracy_sample_count_override=7)
    assert make_test_settings(cut, "AccuracyOnly").accuracy_sample_count_override == 7


def test_a_loadgen_that_cannot_cut_an_accuracy_run(monkeypatch):
    class Older(types.SimpleNamespace):
        pass

    real = loadgen()
    older = Older(TestSettings=Older, TestScenario=real.TestScenario, TestMode=real.TestMode)
    monkeypatch.setattr("harness.loadgen.settings.loadgen", lambda: older)
    assert not hasattr(
        make_test_settings(settings(server_target_qps=1.0), "AccuracyOnly"), "accuracy_sample_count_override"
    )
    with pytest.raises(NotReady, match="mlcommons-loadgen>="):
        make_test_settings(settings(server_target_qps=1.0, accuracy_sample_count_override=7), "AccuracyOnly")


def test_a_rate_that_is_not_known():
    with pytest.raises(RunFailed, match="server_target_qps is not known"):
        make_test_settings(settings(), "PerformanceOnly")


def test_logs_go_to_the_folder_alone(tmp_path):
    made = make_log_settings(tmp_path, enable_trace=False)
    assert made.log_output.outdir == str(tmp_path)
    assert not made.enable_trace
    assert not made.log_output.copy_summary_to_stdout
    assert not made.log_output.copy_detail_to_stdout
