"""Following a child process: its answer, its crash, its silence."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path

import pytest

from mlperf_registry.execute import child
from mlperf_registry.execute.progress import Silent
from mlperf_registry.schema.problem import NotReady, RunFailed

PREAMBLE = """
import json, os, signal, sys, time
handle = int(sys.argv[sys.argv.index("--events") + 1])
def say(**event): os.write(handle, (json.dumps(event) + chr(10)).encode())
"""


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Run a child made of the given lines; returns what run_test returns."""

    def run(body: str, *, stall: float = 20.0, progress=None):
        (tmp_path / "scripted_child.py").write_text(PREAMBLE + textwrap.dedent(body))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(child, "_CHILD", "scripted_child")
        return child.run_test(
            tmp_path / "run.json",
            "performance",
            log=tmp_path / "child.log",
            stall_seconds=stall,
            minimum=0.0,
            progress=progress or Silent(),
        )

    return run


class Recorder(Silent):
    def __init__(self):
        self.seen = []

    def samples(self, *, completed, rate, elapsed, minimum):
        self.seen.append((completed, rate))


def test_the_last_event_is_the_answer_and_progress_is_passed_on(follow):
    recorder = Recorder()
    done = follow(
        """
        say(event="progress", issued=10, completed=5, elapsed_s=0.5)
        say(event="progress", issued=20, completed=20, elapsed_s=1.0)
        say(event="done", completed=20, failures=[])
        """,
        progress=recorder,
    )
    assert done["completed"] == 20
    assert recorder.seen == [(5, 10.0), (20, 30.0)]


def test_a_crash_names_the_signal_and_the_last_line_of_the_log(follow):
    with pytest.raises(RunFailed, match=r"killed by SIGSEGV.*about to crash"):
        follow("print('about to crash', flush=True); os.kill(os.getpid(), signal.SIGSEGV)")


def test_an_exit_without_an_answer_is_a_failure_even_with_code_0(follow):
    with pytest.raises(RunFailed, match="exit code 0"):
        follow("pass")


def test_what_the_child_says_is_not_ready_is_not_ready(follow):
    with pytest.raises(NotReady, match="no such model"):
        follow("say(event='error', kind='NotReady', message='no such model'); sys.exit(3)")


def test_a_child_without_progress_is_hung_and_ended(follow, tmp_path):
    begun = time.monotonic()
    with pytest.raises(RunFailed, match="no progress for 1 s"):
        follow(
            """
            print(os.getpid(), flush=True)
            while True:
                say(event="progress", issued=9, completed=4, elapsed_s=1.0)
                time.sleep(0.1)
            """,
            stall=1.0,
        )
    assert time.monotonic() - begun < 15
    pid = int(Path(tmp_path / "child.log").read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_ignores_sigterm_is_killed(follow, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_GRACE_SECONDS", 0.5)
    with pytest.raises(RunFailed, match="no progress"):
        follow(
            """
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(os.getpid(), flush=True)
            time.sleep(600)
            """,
            stall=1.0,
        )
    pid = int(Path(tmp_path / "child.log").read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_run_with_nothing_under_way_is_not_hung(follow):
    done = follow(
        """
        for _ in range(15):
            say(event="progress", issued=7, completed=7, elapsed_s=1.0)
            time.sleep(0.1)
        say(event="done", completed=7, failures=[])
        """,
        stall=0.7,
    )
    assert done["completed"] == 7
