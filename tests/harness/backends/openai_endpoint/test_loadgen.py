"""openai_endpoint under real LoadGen: each scenario, several servers and processes, and what faults make of a run."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from driven import drive_case
from scripted_server import ScriptedServer, sound

HERE = Path(__file__).parent

TOKENS = {
    "use_token_latencies": True,
    "server_target_latency_ns": 0,
    "ttft_latency_ns": 500_000_000,
    "tpot_latency_ns": 100_000_000,
}
OFFLINE = {"scenario": "Offline", "offline_expected_qps": 500.0, **TOKENS}
SERVER = {"scenario": "Server", "server_target_qps": 300.0, **TOKENS}
SINGLE = {"scenario": "SingleStream", "single_stream_expected_latency_ns": 200_000, **TOKENS}
BY_SCENARIO = {"Offline": OFFLINE, "Server": SERVER, "Interactive": SERVER, "SingleStream": SINGLE}


@pytest.fixture
def drive(tmp_path):
    """``drive(servers, settings, **case)``: one LoadGen test against servers of this process."""

    def drive(servers, settings, *, endpoint=None, **case):
        llm = {"trtllm_server_urls": [server.url for server in servers]}
        return drive_case(
            HERE / "drive_endpoint.py", tmp_path, settings, llm=llm, endpoint=endpoint or {"api": "completions"}, **case
        )

    return drive


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("scenario", BY_SCENARIO)
def test_a_run_over_two_servers_is_sound(drive, scenario, processes):
    with ScriptedServer() as one, ScriptedServer() as other:
        driven = drive(
            [one, other],
            BY_SCENARIO[scenario],
            scenario=scenario,
            endpoint={"api": "completions", "client_processes": processes},
        )
        shares = [len(one.asked), len(other.asked)]
    assert driven.code == 0, driven.output
    assert driven.one("done")["failures"] == []
    issued, completed = driven.counted
    assert issued == completed > 50
    assert driven.detail()["num_errors"] == 0
    assert min(shares) > (0.3 * sum(shares) if scenario == "Offline" else 0)
    # Only first tokens need a stream.
    assert all(asked.streams == (scenario != "Offline") for asked in one.asked[1:])
    with np.load(driven.folder / "samples.npz") as samples:
        assert ("first_token_ns" in samples) == (scenario != "Offline")
        assert (samples["token_count"] > 1).all()
    lines = [json.loads(line) for line in (driven.folder / "client.jsonl").read_text().splitlines()]
    assert sorted(line["server"] for line in lines) == sorted([one.url, other.url])
    assert sum(line["answers"] for line in lines) == sum(line["requests"] for line in lines) >= issued


def test_retries_leave_a_run_sound_and_are_on_record(drive):
    def busy(asked, wire):
        if len(server.asked) % 7 == 3:
            wire.error(503, "busy")
        else:
            sound(asked, wire)

    with ScriptedServer(busy) as server:
        driven = drive([server], OFFLINE)
    assert driven.code == 0, driven.output
    assert driven.one("done")["failures"] == []
    issued, completed = driven.counted
    assert issued == completed
    (line,) = [json.loads(line) for line in (driven.folder / "client.jsonl").read_text().splitlines()]
    refused = line["retries"]["503 service unavailable"]
    assert refused > 10
    said = f"{server.url} was asked again {refused:,} times (503 service unavailable: {refused:,})."
    assert driven.one("note")["message"] == said
    assert driven.one("done")["remarks"] == [said]


def test_a_fault_makes_the_run_invalid_and_says_why(drive):
    def broken(asked, wire):
        if len(server.asked) == 40:
            wire.stream_head()
            wire.close()
        sound(asked, wire)

    with ScriptedServer(broken) as server:
        driven = drive([server], SERVER, scenario="Server", runtime={"warmup_duration": 0})
    assert driven.code == 0, driven.output
    (failure,) = driven.one("done")["failures"]
    assert failure.startswith(f"{server.url} ended the connection within an answer (closed by the server).")
    issued, completed = driven.counted
    assert issued == completed


@pytest.mark.parametrize(
    ("server", "code", "words"),
    [
        ({"models": [{"id": "another"}]}, 3, "does not serve vendor/Model-1B (backend.options.model_name)"),
        ({"key": "sk-1"}, 3, "set $OPENAI_API_KEY"),
        ({"behave": lambda asked, wire: wire.error(500, "no GPU")}, 3, "answered 500: no GPU"),
    ],
    ids=["another model", "no key", "a broken server"],
)
def test_what_is_wrong_is_said_before_the_run(drive, server, code, words):
    with ScriptedServer(**server) as wrong:
        driven = drive([wrong], OFFLINE)
    assert driven.code == code
    assert words in driven.one("error")["message"]
    assert "run" not in driven.phases


PROGRAM = [sys.executable, str(HERE / "scripted_server.py"), "--port", "{port}", "--child"]


def serves(driven):
    """Processes of our server that still live."""
    words = (driven.folder / "server.log").read_text().split()
    numbers = [int(number) for word, number in pairwise(words) if word == "serving"]
    assert numbers
    return [number for number in numbers if _group_lives(number)]


def _group_lives(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def gone(driven):
    until = time.monotonic() + 5
    while serves(driven) and time.monotonic() < until:
        time.sleep(0.05)
    return not serves(driven)


@pytest.fixture
def drive_started(tmp_path):
    return partial(drive_case, HERE / "drive_endpoint.py", tmp_path, scenario="Offline")


def test_a_server_of_our_own_is_started_and_stopped(drive_started):
    driven = drive_started(OFFLINE, endpoint={"api": "completions", "server_command": PROGRAM})
    assert driven.code == 0, driven.output
    assert driven.one("done")["failures"] == []
    assert gone(driven)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_a_run_that_is_killed(drive_started, number):
    driven = drive_started(
        OFFLINE | {"min_duration_ms": 20_000},
        endpoint={"api": "completions", "server_command": PROGRAM},
        until=lambda event: event == {"event": "phase", "name": "run"},
        signal_number=number,
    )
    assert driven.code != 0
    assert gone(driven)


def test_a_server_that_dies_in_the_run_makes_it_invalid(drive_started):
    driven = drive_started(
        OFFLINE | {"min_duration_ms": 1000},
        endpoint={"api": "completions", "server_command": [*PROGRAM, "--fail-after", "200"], "connections": 8},
        runtime={"warmup_duration": 0},
    )
    issued, completed = driven.counted
    assert issued == completed
    failures = driven.one("done")["failures"]
    assert any(said.startswith("The server ended with exit code 9. See ") for said in failures), failures
    assert gone(driven)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (
            ["no-such-server", "{port}"],
            3,
            "The server no-such-server (backend.options.server_command) is not installed",
        ),
        ([sys.executable, "-c", "print('no GPU {port}'); raise SystemExit(4)"], 1, "ended with exit code 4"),
        ([sys.executable, "-c", "import os; os.abort()  # {port}"], 1, "was killed by SIGABRT"),
        (["python"], 2, "must have {port} in it"),
    ],
)
def test_a_server_that_does_not_start(drive_started, command, code, words):
    driven = drive_started(OFFLINE, endpoint={"server_command": command})
    assert driven.code == code
    assert words in driven.one("error")["message"]
