"""The child process with real LoadGen and a simulated engine of two devices: every scenario, and every way to fail."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from simulated import TOTAL, expected_output

OFFLINE = {"scenario": "Offline", "offline_expected_qps": 3000.0}
SERVER = {"scenario": "Server", "server_target_qps": 400.0}
SINGLE = {"scenario": "SingleStream", "single_stream_expected_latency_ns": 500_000}
MULTI = {"scenario": "MultiStream", "multi_stream_expected_latency_ns": 800_000}
INTERACTIVE = {
    "scenario": "Server",
    "server_target_qps": 1500.0,
    "min_query_count": 700,  # the fewest from which early stopping concludes anything
    "server_target_latency_ns": 0,
    "use_token_latencies": True,
    "ttft_latency_ns": 500_000_000,
    "tpot_latency_ns": 100_000_000,
}


def test_offline(drive):
    # Two devices of 16 samples in 12 ms do not reach the expected rate, so that the run is long enough.
    driven = drive(OFFLINE, engine={"latency_s": [0.012, 0.012]})
    assert driven.code == 0, driven.output
    samples = int(1.1 * 0.3 * 3000)
    assert driven.counted == (samples, samples)
    assert driven.one("done") == {"event": "done", "failures": [], "remarks": []}
    assert driven.detail()["result_validity"] == "VALID"
    assert (driven.logs / "mlperf_log_accuracy.json").stat().st_size == 4
    assert not (driven.logs / "mlperf_log_trace.json").read_text()


def test_every_load_of_samples_is_a_phase_of_its_own(drive):
    # Sets of 64 of 500 samples: LoadGen loads eight in an accuracy run.
    driven = drive(OFFLINE, mode="AccuracyOnly")
    warm_up, test, end = ["load", "warmup", "load", "warmup"], ["run", *8 * ["load", "run"]], ["close", "write"]
    assert driven.phases == warm_up + test + end


def test_progress_is_told_from_the_start_so_that_a_child_notices_that_its_parent_is_gone(drive):
    driven = drive(OFFLINE, engine={"open_s": 1.3})
    assert driven.names.index("progress") < driven.events.index({"event": "phase", "name": "warmup"})


def test_an_accuracy_run_may_be_cut(drive):
    driven = drive({**OFFLINE, "accuracy_sample_count_override": 40}, mode="AccuracyOnly")
    assert driven.code == 0, driven.output
    assert driven.counted == (40, 40)


@pytest.mark.parametrize("settings", [SERVER, SINGLE, MULTI], ids=lambda settings: settings["scenario"])
def test_latency_scenarios_are_valid_and_every_sample_is_answered(drive, settings):
    driven = drive(settings)
    assert driven.code == 0, driven.output
    samples = driven.detail()["result_query_count"] * (8 if settings is MULTI else 1)
    assert driven.counted == (samples, samples)
    assert driven.one("done")["failures"] == []
    assert driven.detail()["result_min_duration_met"]
    with np.load(driven.folder / "samples.npz") as samples:
        assert (samples["complete_ns"] > samples["issue_ns"]).all()
        # Our own latencies agree with LoadGen's, whose clock starts earlier and stops later.
        ours = np.median(samples["complete_ns"] - samples["issue_ns"])
        assert ours <= driven.detail()["result_50.00_percentile_latency_ns"] < ours + 2e6


def test_interactive_reports_token_latencies(drive):
    driven = drive(INTERACTIVE, engine={"tokens": True, "batching": "engine"})
    assert driven.code == 0, driven.output
    assert driven.one("done")["failures"] == []
    detail = driven.detail()
    assert detail["result_validity"] == "VALID"
    assert 0 < detail["result_first_token_99.00_percentile_latency_ns"] < 500_000_000
    with np.load(driven.folder / "samples.npz") as samples:
        assert (samples["first_token_ns"] > samples["issue_ns"]).all()
        assert (samples["first_token_ns"] <= samples["complete_ns"]).all()
        assert (samples["token_count"] == samples["index"] % 6 + 2).all()
    assert detail["result_token_throughput"] > 0


@pytest.mark.parametrize("settings", [OFFLINE, SERVER, SINGLE, MULTI], ids=lambda settings: settings["scenario"])
def test_accuracy_log_holds_the_outputs_sample_by_sample(drive, settings):
    driven = drive({**settings, "server_target_qps": 3000.0}, mode="AccuracyOnly")
    assert driven.code == 0, driven.output
    log = driven.accuracy_log()
    assert sorted({entry["qsl_idx"] for entry in log}) == list(range(TOTAL))
    for entry in log:
        assert bytes.fromhex(entry["data"]) == expected_output(entry["qsl_idx"], ragged=False)


def test_accuracy_log_of_ragged_outputs_and_tokens(drive):
    driven = drive(
        {**INTERACTIVE, "server_target_qps": 3000.0}, mode="AccuracyOnly", engine={"tokens": True, "ragged": True}
    )
    assert driven.code == 0, driven.output
    log = driven.accuracy_log()
    assert len(log) == TOTAL
    for entry in log:
        index = entry["qsl_idx"]
        assert bytes.fromhex(entry["data"]) == expected_output(index, ragged=True)
        assert bytes.fromhex(entry["token_data"]) == np.int32(index).tobytes()
        assert entry["token_count"] == index % 6 + 2


def test_offline_tokens_need_no_first_token(drive):
    driven = drive({**OFFLINE, "use_token_latencies": True}, engine={"tokens": True})
    assert driven.code == 0, driven.output
    assert driven.one("done")["failures"] == []
    assert driven.detail()["result_tokens_per_second"] > 0


def test_a_batch_waits_for_the_deque_timeout_and_not_beyond_the_end(drive):
    driven = drive({**SERVER, "server_target_qps": 100.0}, runtime={"deque_timeout_usec": 50_000})
    assert driven.code == 0, driven.output
    with np.load(driven.folder / "samples.npz") as samples:
        latency = samples["complete_ns"] - samples["issue_ns"]
    assert 20e6 < np.median(latency) < 80e6


def test_samples_npz(drive):
    driven = drive(OFFLINE)
    with np.load(driven.folder / "samples.npz") as samples:
        assert set(samples.files) == {"index", "issue_ns", "complete_ns", "started_unix"}
        assert len(samples["index"]) == driven.counted[0]
        assert samples["index"].dtype == samples["issue_ns"].dtype == samples["complete_ns"].dtype == np.int64
        assert samples["issue_ns"][0] == 0
        assert len(set(samples["index"])) <= 64
        assert samples["started_unix"] > 1.7e9


def test_accuracy_writes_no_samples(drive):
    driven = drive(OFFLINE, test="accuracy", mode="AccuracyOnly")
    assert driven.code == 0
    assert not (driven.folder / "samples.npz").exists()


def test_failed_samples_do_not_hang_loadgen_and_are_told(drive):
    driven = drive(OFFLINE, engine={"fault": "fail"}, runtime={"warmup_duration": 0})
    assert driven.code == 0, driven.output
    issued, completed = driven.counted
    assert issued == completed
    assert driven.one("done")["failures"] == [f"The engine ran out of memory. ({issued // 50} samples)"]


def test_a_failure_during_warm_up_ends_the_run(drive):
    driven = drive(OFFLINE, engine={"fault": "fail"})
    assert driven.code == 1
    assert "The engine ran out of memory." in driven.one("error")["message"]
    assert not driven.logs.exists()


def test_an_exception_in_submit_ends_the_run_at_once(drive):
    settings = {**SERVER, "min_duration_ms": 60_000}
    driven = drive(settings, engine={"fault": "submit"}, runtime={"warmup_duration": 0}, timeout=20)
    assert driven.code == 1
    assert driven.one("error") == {
        "event": "error",
        "kind": "RunFailed",
        "message": "ValueError: no more room on the device",
    }
    assert "Traceback" in driven.output
    assert "done" not in driven.names
    assert not (driven.folder / "samples.npz").exists()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("double", "was completed twice."),
        ("unknown", "was completed, but never issued."),
        ("rows", "rows of output for"),
    ],
)
def test_wrong_reports_end_the_run_as_not_valid(drive, fault, reason):
    driven = drive(OFFLINE, engine={"fault": fault}, runtime={"warmup_duration": 0})
    assert driven.code == 0, driven.output
    issued, completed = driven.counted
    assert issued == completed
    failures = driven.one("done")["failures"]
    assert failures
    assert all(reason in failure or failure.startswith("Other reasons.") for failure in failures)


def test_missing_token_counts_are_a_failure(drive):
    driven = drive(INTERACTIVE, engine={"tokens": True, "fault": "no counts"}, runtime={"warmup_duration": 0})
    assert driven.code == 0, driven.output
    assert "no token counts" in driven.one("done")["failures"][0]


def test_an_engine_that_hangs_is_seen_as_no_progress(drive):
    seen = []

    def stalled(event):
        if event["event"] == "progress":
            seen.append((event["issued"], event["completed"]))
        return len(seen) >= 4 and len(set(seen[-3:])) == 1

    driven = drive(OFFLINE, engine={"fault": "hang"}, runtime={"warmup_duration": 0}, until=stalled)
    issued, completed = seen[-1]
    assert completed < issued
    assert driven.code == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_and_leaves_nothing_that_looks_complete(drive, number):
    driven = drive(
        {**SINGLE, "min_duration_ms": 60_000},
        until=lambda event: event["event"] == "progress" and event["completed"] > 200,
        signal_number=number,
        timeout=20,
    )
    assert driven.code == 130
    assert "done" not in driven.names
    assert not (driven.folder / "samples.npz").exists()
    assert "VALID" not in (driven.logs / "mlperf_log_summary.txt").read_text()


def test_an_audit_config_is_taken_from_where_the_run_says_and_nowhere_else(drive, tmp_path):
    (tmp_path / "audit.config").write_text("*.*.min_query_count = 7\n")
    (tmp_path / "other.config").write_text("*.*.min_query_count = 5\n*.*.min_duration = 0\n")
    settings = {**OFFLINE, "min_duration_ms": 0}
    assert drive(settings).counted == (100, 100)
    assert drive(settings, audit_config=str(tmp_path / "other.config")).counted == (5, 5)


def test_more_samples_held_than_there_are_is_refused(drive):
    driven = drive({**OFFLINE, "performance_sample_count_override": 1024})
    assert driven.code == 1
    assert "the data set has 500 samples" in driven.one("error")["message"]


def test_an_unmeasured_rate_is_refused_before_anything_is_loaded(drive):
    driven = drive({"scenario": "Offline"})
    assert driven.code == 1
    assert driven.names == ["error"]
    assert "offline_expected_qps is not known" in driven.one("error")["message"]


def test_probe(drive):
    driven = drive({"scenario": "Offline"}, test="probe", engine={"latency_s": [0.01, 0.01]})
    assert driven.code == 0, driven.output
    probe = driven.one("probe")
    # Two devices, 16 samples in a little more than 10 ms each.
    assert 1_000 < probe["samples_per_second"] <= probe["peak_samples_per_second"] < 3_200
    assert 10e6 < probe["latency_ns"] < 20e6
    assert 10e6 < probe["multi_stream_latency_ns"] < 20e6
    assert driven.phases == ["load", "warmup", "load", "warmup", "probe", "load", "probe", "close"]
    assert not driven.logs.exists()
