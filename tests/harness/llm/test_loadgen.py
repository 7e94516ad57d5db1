"""Language models under real LoadGen, with simulated cores: every scenario, accuracy logs, faults, and the progress."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_core import TOTAL, answer

TOKENS = {
    "use_token_latencies": True,
    "server_target_latency_ns": 0,
    "ttft_latency_ns": 500_000_000,
    "tpot_latency_ns": 100_000_000,
}
OFFLINE = {"scenario": "Offline", "offline_expected_qps": 2000.0, **TOKENS}
SERVER = {
    "scenario": "Server",
    "server_target_qps": 1500.0,
    "min_query_count": 700,  # the fewest from which early stopping concludes anything
    **TOKENS,
}
SINGLE = {"scenario": "SingleStream", "single_stream_expected_latency_ns": 1_000_000, **TOKENS}
TWO_CORES = [{"step_s": 0.001}, {"step_s": 0.002}]

by_scenario = pytest.mark.parametrize(
    ("scenario", "settings"),
    [("Offline", OFFLINE), ("Server", SERVER), ("Interactive", SERVER), ("SingleStream", SINGLE)],
    ids=["Offline", "Server", "Interactive", "SingleStream"],
)


@by_scenario
def test_a_performance_run_is_sound(drive, scenario, settings):
    driven = drive(settings, scenario=scenario, cores=TWO_CORES)
    assert driven.code == 0, driven.output
    assert driven.one("done")["failures"] == []
    issued, completed = driven.counted
    assert issued == completed > 0
    detail = driven.detail()
    assert detail["num_errors"] == 0
    with np.load(driven.folder / "samples.npz") as samples:
        assert (samples["token_count"] == samples["index"] % 6 + 2).all()
        tokens = int(samples["token_count"].sum())
        if scenario == "Offline":
            assert "first_token_ns" not in samples
            seconds = (samples["complete_ns"].max() - samples["issue_ns"].min()) / 1e9
            assert detail["result_tokens_per_second"] == pytest.approx(tokens / seconds, rel=0.05)
        else:
            assert detail["result_validity"] == "VALID"
            ttft = samples["first_token_ns"] - samples["issue_ns"]
            assert (ttft > 0).all() and (samples["first_token_ns"] < samples["complete_ns"]).all()
            # LoadGen's clock starts earlier and stops later.
            theirs = detail["result_first_token_99.00_percentile_latency_ns"]
            assert np.percentile(ttft, 98) <= theirs < np.percentile(ttft, 99) + 20e6
            assert 0 < detail["result_time_per_output_token_99.00_percentile_ns"] < 50e6


@by_scenario
def test_the_accuracy_log_holds_the_tokens_as_int32(drive, scenario, settings):
    driven = drive(
        settings | {"server_target_qps": 3000.0}, scenario=scenario, mode="AccuracyOnly", cores=[{"capacity": 5}, {}]
    )
    assert driven.code == 0, driven.output
    log = driven.accuracy_log()
    assert len(log) == TOTAL
    for entry in log:
        expected = answer(entry["qsl_idx"])
        assert bytes.fromhex(entry["data"]) == expected.tobytes()
        assert entry["token_count"] == len(expected)
        if scenario != "Offline":
            assert bytes.fromhex(entry["token_data"]) == expected[:1].tobytes()


def test_progress_tells_of_tokens(drive):
    driven = drive(SERVER | {"min_duration_ms": 1600}, scenario="Server", cores=TWO_CORES)
    of_run = driven.events[driven.events.index({"event": "phase", "name": "run"}) :]
    told = [event["tokens"] for event in of_run if event["event"] == "progress"]
    counts = [tokens["count"] for tokens in told]
    assert len(told) > 2
    assert counts == sorted(counts) and counts[0] < counts[-1]
    with np.load(driven.folder / "samples.npz") as samples:
        assert counts[-1] >= samples["token_count"].sum()
        ttft = samples["first_token_ns"] - samples["issue_ns"]
    assert 0 < told[-1]["ttft_ns"] <= ttft.max()
    assert 0 < told[-1]["tpot_ns"] < 50e6
    assert told[-1]["running"] == 0
    assert any(tokens["running"] for tokens in told)


def test_an_offline_run_waits_where_the_cores_have_no_room(drive):
    driven = drive(
        OFFLINE | {"min_duration_ms": 1000}, cores=[{"step_s": 0.005, "capacity": 16}], runtime={"warmup_duration": 0}
    )
    assert driven.one("done")["failures"] == []
    told = [event["tokens"] for event in driven.events if event["event"] == "progress"]
    # Who streams nothing does not tell which of its 16 have begun.
    assert all(tokens["running"] is None for tokens in told)
    progress = [event for event in driven.events if event["event"] == "progress"]
    assert max(event["issued"] - event["completed"] for event in progress) > 1000
    assert all(tokens["ttft_ns"] is None and tokens["tpot_ns"] is None for tokens in told)


def test_failed_samples_make_the_run_invalid_and_it_ends(drive):
    driven = drive(SERVER, scenario="Server", cores=[{"fault": "fails"}, {}], runtime={"warmup_duration": 0})
    assert driven.code == 0, driven.output
    issued, completed = driven.counted
    assert issued == completed
    (failure,) = driven.one("done")["failures"]
    assert failure.startswith("The server answered 500. (")


def test_a_core_that_fails_in_the_warm_up_ends_the_run_before_it_began(drive):
    driven = drive(OFFLINE, cores=[{"fault": "fails"}])
    assert driven.code == 1
    assert "before the test began: The server answered 500." in driven.one("error")["message"]
    assert "run" not in driven.phases


def test_a_dead_core_ends_the_run_at_once(drive):
    driven = drive(SERVER, scenario="Server", cores=[{"fault": "dead"}], runtime={"warmup_duration": 0})
    assert driven.code == 1
    assert driven.one("error") == {"event": "error", "kind": "RunFailed", "message": "core 0 has died."}


def test_a_prompt_that_is_too_long_ends_the_run_before_its_first_query(drive):
    # The one sample that the warm-up takes fits; of the set that LoadGen loads not all do.
    driven = drive(OFFLINE, cores=[{"longest": 14, "capacity": 1}])
    assert driven.code == 1
    assert driven.one("error")["message"].startswith(
        "core 0 takes 14 tokens of prompt and answer together, and the longest prompt has 7, its answer up to 8."
    )
    assert drive(OFFLINE, cores=[{"longest": 15}]).code == 0


def test_a_core_that_is_not_ready(drive):
    driven = drive(OFFLINE, cores=[{}, {"fault": "not ready"}])
    assert driven.code == 3
    assert driven.one("error")["message"] == "core 1 lacks its model."


def test_a_configuration_that_the_engine_finds_wrong(drive):
    driven = drive(OFFLINE, cores=[{"fault": "misconfigured"}])
    assert driven.code == 2
    (problem,) = driven.one("error")["problems"]
    assert (problem["path"], problem["message"]) == ("llm.gpu_rank_map", "gives a GPU to two instances")


def test_the_probe_measures_an_engine_that_batches_itself(drive):
    driven = drive({"scenario": "Offline"}, test="probe", cores=[{"capacity": 16, "step_s": 0.01}])
    assert driven.code == 0, driven.output
    probe = driven.one("probe")
    # 16 at a time, 4.5 steps of 10 ms each.
    assert 200 < probe["samples_per_second"] <= probe["peak_samples_per_second"] < 400
    assert 20e6 < probe["latency_ns"] < 80e6
    assert probe["multi_stream_latency_ns"] is None
