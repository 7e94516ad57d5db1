"""The parent's side of a language model's run: the progress that it shows, and engines that stand still."""

from __future__ import annotations

import json

import pytest

from mlperf_registry.execute import child
from mlperf_registry.execute.length import Length
from mlperf_registry.execute.progress import Silent
from mlperf_registry.schema.problem import RunFailed

SERVER = {
    "scenario": "Server",
    "server_target_qps": 100.0,
    "server_target_latency_ns": 0,
    "use_token_latencies": True,
    "min_duration_ms": 2000,
}


class Recorder(Silent):
    def __init__(self):
        self.seen = []

    def samples(self, *, completed, rate, elapsed, length, tokens=None):
        self.seen.append((completed, tokens))


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Have the parent's code run one test of simulated cores."""

    def run(progress, *, stall_seconds=60.0, **case):
        case = {"folder": str(tmp_path), "settings": SERVER, "runtime": {"warmup_duration": 0}, **case}
        (tmp_path / "case.json").write_text(json.dumps(case))
        monkeypatch.setattr(child, "_CHILD", "drive_llm")
        return child.run_test(
            tmp_path / "case.json",
            "performance",
            log=tmp_path / "child.log",
            load_seconds=60.0,
            stall_seconds=stall_seconds,
            length=Length(0.0, 0),
            progress=progress,
        )

    return run


def test_tokens_are_shown_from_the_engine_to_whoever_watches(follow):
    recorder = Recorder()
    follow(recorder, cores=[{"step_s": 0.01}])
    rates = [tokens.rate for _, tokens in recorder.seen[1:-1]]
    # 100 samples a second, of two to seven tokens.
    assert rates and all(200 < rate < 800 for rate in rates)
    last = recorder.seen[-1][1]
    assert last.running == last.under_way == 0
    assert 0 < last.tpot_ns < 100e6 and 0 < last.ttft_ns < 500e6


def test_answers_that_take_longer_than_the_stall_timeout_are_no_hung_engine(follow):
    # Four tokens and more, half a second each.
    done = follow(Silent(), cores=[{"step_s": 0.5, "slots": 500}], stall_seconds=1.2)
    assert done["failures"] == []


def test_a_core_that_never_answers_is_ended_with_the_reason(follow):
    with pytest.raises(RunFailed, match=r"no progress for 1\.2 s \(runtime\.stall_timeout\) in its phase 'run'"):
        follow(Silent(), cores=[{}, {"fault": "mute"}], stall_seconds=1.2)
