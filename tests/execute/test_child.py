"""Following a child process: its answer, its crash, its silence."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from mlperf_registry.execute import child
from mlperf_registry.execute.length import Length
from mlperf_registry.execute.progress import Silent, TokenProgress
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed

PREAMBLE = """
import json, os, signal, sys, time
handle = int(sys.argv[sys.argv.index("--events") + 1])
def say(**event): os.write(handle, (json.dumps(event) + chr(10)).encode())
"""


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Run a child made of the given lines; returns what run_test returns."""

    def run(body: str, *, load: float = 20.0, stall: float = 20.0, progress=None):
        (tmp_path / "scripted_child.py").write_text(PREAMBLE + textwrap.dedent(body))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(child, "_CHILD", "scripted_child")
        return child.run_test(
            tmp_path / "run.json",
            "performance",
            log=tmp_path / "child.log",
            load_seconds=load,
            stall_seconds=stall,
            length=Length(0.0, 0),
            progress=progress or Silent(),
        )

    return run


class Recorder(Silent):
    def __init__(self):
        self.seen = []
        self.tokens = []
        self.notes = []

    def note(self, message):
        self.notes.append(message)

    def samples(self, *, completed, rate, elapsed, length, tokens=None):
        self.seen.append((completed, rate))
        self.tokens.append(tokens)


def test_the_last_event_is_the_answer_and_progress_is_passed_on(follow):
    recorder = Recorder()
    done = follow(
        """
        say(event="phase", name="warmup")
        say(event="progress", issued=3, completed=3, elapsed_s=0.5)
        say(event="phase", name="run")
        say(event="progress", issued=10, completed=5, elapsed_s=0.5)
        say(event="progress", issued=20, completed=20, elapsed_s=1.0)
        say(event="done", failures=["one"])
        """,
        progress=recorder,
    )
    assert done["failures"] == ["one"]
    assert recorder.seen == [(5, 10.0), (20, 20.0)]


def test_a_language_model_shows_how_its_tokens_come(follow):
    recorder = Recorder()
    follow(
        """
        tokens = {"running": 3, "ttft_ns": None, "tpot_ns": None}
        say(event="phase", name="warmup")
        say(event="progress", issued=8, completed=8, elapsed_s=9.0, tokens={"count": 500, **tokens})
        say(event="phase", name="run")
        say(event="progress", issued=10, completed=0, elapsed_s=0.5, tokens={"count": 550, **tokens})
        tokens |= {"ttft_ns": 7, "tpot_ns": 8}
        say(event="progress", issued=20, completed=0, elapsed_s=1.0, tokens={"count": 650, **tokens})
        say(event="done", failures=[])
        """,
        progress=recorder,
    )
    first, second = recorder.tokens
    assert first == TokenProgress(rate=100.0, under_way=10, running=3, ttft_ns=None, tpot_ns=None)
    assert second == TokenProgress(rate=150.0, under_way=20, running=3, ttft_ns=7, tpot_ns=8)


def test_a_long_answer_is_no_hung_engine_while_its_tokens_come(follow):
    body = """
        say(event="phase", name="run")
        tokens = {"running": 1, "ttft_ns": None, "tpot_ns": None}
        for count in range(15):
            say(event="progress", issued=1, completed=0, elapsed_s=1.0, tokens={"count": count // %d, **tokens})
            time.sleep(0.1)
        say(event="done", failures=[])
        """
    assert follow(body % 2, stall=0.7)["failures"] == []
    with pytest.raises(RunFailed, match=r"no progress for 0\.7 s"):
        follow(body % 20, stall=0.7)


def test_a_note_reaches_whoever_watches(follow):
    recorder = Recorder()
    follow("say(event='note', message='memory lies anywhere'); say(event='done', failures=[])", progress=recorder)
    assert recorder.notes == ["memory lies anywhere"]


def test_a_crash_names_the_signal_and_the_last_line_of_the_log(follow):
    with pytest.raises(RunFailed, match=r"killed by SIGSEGV.*about to crash"):
        follow("print('about to crash', flush=True); os.kill(os.getpid(), signal.SIGSEGV)")


def test_an_exit_without_an_answer_is_a_failure_even_with_code_0(follow):
    with pytest.raises(RunFailed, match="exit code 0"):
        follow("pass")


def test_what_the_child_says_is_not_ready_is_not_ready(follow):
    with pytest.raises(NotReady, match="no such model"):
        follow("say(event='error', kind='NotReady', message='no such model'); sys.exit(3)")


def test_what_the_child_finds_wrong_in_the_configuration_keeps_its_places(follow):
    problem = Problem("llm.gpu_rank_map", "gives a GPU to two instances", "tuned.yaml", 7)
    with pytest.raises(ConfigError) as raised:
        follow(
            f"""
            problem = dict(path="llm.gpu_rank_map", message="gives a GPU to two instances", origin="tuned.yaml",
                           line=7, hint=None)
            say(event="error", kind="ConfigError", message="as follows", problems=[problem])
            sys.exit({ConfigError.exit_code})
            """
        )
    assert raised.value.problems == (problem,)


def test_a_child_without_progress_is_hung_and_ended(follow, tmp_path):
    begun = time.monotonic()
    with pytest.raises(RunFailed, match="no progress for 1 s"):
        follow(
            """
            print(os.getpid(), flush=True)
            say(event="phase", name="run")
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
    with pytest.raises(RunFailed, match="still loading after 1 s"):
        follow(
            """
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(os.getpid(), flush=True)
            time.sleep(600)
            """,
            load=1.0,
        )
    pid = int(Path(tmp_path / "child.log").read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_run_with_nothing_under_way_is_not_hung(follow):
    done = follow(
        """
        say(event="phase", name="run")
        for _ in range(15):
            say(event="progress", issued=7, completed=7, elapsed_s=1.0)
            time.sleep(0.1)
        say(event="done", failures=[])
        """,
        stall=0.7,
    )
    assert done["failures"] == []


@pytest.mark.parametrize(("phase", "count"), [("warmup", 7), ("probe", 7), ("run", 0), ("close", 7), ("write", 7)])
def test_a_child_that_is_idle_anywhere_else_is_hung(follow, phase, count):
    with pytest.raises(RunFailed, match=f"no progress for 0.7 s .* in its phase '{phase}'"):
        follow(
            f"""
            say(event="phase", name="{phase}")
            while True:
                say(event="progress", issued={count}, completed={count}, elapsed_s=1.0)
                time.sleep(0.1)
            """,
            stall=0.7,
        )


def test_loading_has_a_limit_of_its_own_and_each_load_gets_all_of_it(follow):
    body = """
        for _ in range(2):
            say(event="phase", name="load")
            for _ in range({beats}):
                say(event="progress", issued=0, completed=0, elapsed_s=0.0)
                time.sleep(0.1)
            say(event="phase", name="run")
        say(event="done", failures=[])
        """
    assert follow(body.format(beats=10), load=1.6, stall=0.5)["failures"] == []
    with pytest.raises(RunFailed, match=r"still loading after 1 s \(runtime\.load_timeout\) and was ended. See .*log"):
        follow(body.format(beats=30), load=1.0, stall=0.5)


@pytest.mark.parametrize("line", ["Warning: no NVLink", '["event"]', '{"event": "prog'])
def test_a_line_that_is_no_event_ends_the_child_and_names_the_log(follow, line):
    with pytest.raises(RunFailed, match=r"no event, and was ended\. See .*child\.log"):
        follow(f"os.write(handle, {line!r}.encode() + bytes([10])); time.sleep(600)")


def test_a_child_that_cannot_be_started_leaves_no_pipe_open(follow, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        follow("pass")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), flush=True)
    say(event="phase", name="run")
    {then}
    time.sleep(600)
    """


def gone(log: Path) -> bool:
    """Whether the child that wrote its id into ``log`` is gone, or only waits for its parent to take note."""
    stat = Path("/proc") / log.read_text().split()[0] / "stat"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return stat.read_text().rpartition(") ")[2].startswith("Z")
    return True


def test_a_second_interrupt_while_a_child_is_ended_leaves_nothing_running(follow, tmp_path):
    class Twice(Silent):
        """Ctrl-C at the first sample, and again a second later, while the child is being ended."""

        def samples(self, **_):
            threading.Timer(1.0, signal.raise_signal, [signal.SIGINT]).start()
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        follow(
            STUBBORN.format(then='say(event="progress", issued=9, completed=4, elapsed_s=1.0)'),
            progress=Twice(),
        )
    assert time.monotonic() - begun < 4
    for _ in range(50):
        if gone(tmp_path / "child.log"):
            return
        time.sleep(0.1)
    raise AssertionError("the child outlived its parent's interest")


def test_a_child_that_was_stopped_is_killed(follow, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_GRACE_SECONDS", 0.5)
    with pytest.raises(RunFailed, match="no progress for 1 s"):
        follow(STUBBORN.format(then="os.kill(os.getpid(), signal.SIGSTOP)"), stall=1.0)
    assert gone(tmp_path / "child.log")
