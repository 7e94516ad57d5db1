"""ProcessCore: a core in another process, which opens, answers, fails and dies there, and is heard here."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from apart import AnsweringCore
from collected import Collected

from harness.llm.core import Bounded
from harness.llm.process import ProcessCore
from harness.llm.request import Generation, Request
from mlperf_registry.schema.problem import NotReady, RunFailed

GENERATION = Generation(max_tokens=3)


@pytest.fixture
def collected():
    return Collected()


@pytest.fixture
def opened(collected, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    cores = []

    def open_core(**options):
        core = ProcessCore("GPU 1", partial(AnsweringCore, **options), {"MLPERF_TEST_OF_A_CORE": "seen"})
        cores.append(core)
        core.open(GENERATION, collected)
        return core

    yield open_core
    for core in cores:
        core.close()
        assert core._process is not None and not core._process.is_alive()


def requests(count):
    return [Request(number, np.array([number], np.int32), f"prompt {number}") for number in range(count)]


def test_it_answers_there_with_the_environment_that_it_is_given(opened, collected):
    core = opened(capacity=7)
    assert (core.capacity, core.longest) == (7, None)
    core.submit(requests(100))
    collected.wait(100)
    assert [answer.tolist() for answer in collected.done.values()] == [[number, 3] for number in range(100)]
    assert collected.tokens == 200 and "MLPERF_TEST_OF_A_CORE" not in os.environ


def test_how_long_a_prompt_and_its_answer_may_be_is_known_here(opened):
    core = opened(longest=4096)
    assert isinstance(core, Bounded) and core.longest == 4096


@pytest.mark.parametrize(("kind", "words"), [(NotReady, "no engine"), (RunFailed, "broken engine")])
def test_why_it_does_not_open_is_said_here(opened, kind, words):
    with pytest.raises(kind, match=words):
        opened(refuses=kind(words))


def test_a_process_that_dies_while_it_opens(opened):
    with pytest.raises(RunFailed, match=r"process of GPU 1 was killed by SIGKILL"):
        opened(dies=True)


def test_a_process_that_is_killed_fails_what_it_had_and_takes_nothing_more(opened, collected):
    core = opened(answers=False)
    core.submit(requests(3))
    time.sleep(0.2)
    assert core._process is not None
    os.kill(core._process.pid, signal.SIGKILL)
    collected.wait(3)
    assert all("was killed by SIGKILL" in reason for reason in collected.failed.values())
    with pytest.raises(RunFailed, match="SIGKILL"):
        core.submit(requests(1))


@pytest.mark.parametrize(
    ("error", "said"), [(RunFailed("The engine is dead."), "The engine is dead."), (KeyError("x"), "KeyError: 'x'")]
)
def test_why_a_core_takes_no_more_is_said_here(opened, collected, error, said):
    core = opened(breaks=error)
    core.submit(requests(3))
    collected.wait(3)
    assert set(collected.failed.values()) == {said}
    with pytest.raises(RunFailed, match=f"^{said}$"):
        core.submit(requests(1))


def test_closing_with_requests_under_way_ends_the_process(opened, collected):
    core = opened(answers=False)
    core.submit(requests(3))
    core.close()
    assert not collected.failed, "whoever closes knows what is left"
    assert not [thread for thread in threading.enumerate() if thread.name == "reports of GPU 1"]
