"""A pipe between the harness and a process: everything gets to the other end as it was, and each request ends once."""

from __future__ import annotations

import threading
from multiprocessing import Pipe

import numpy as np
import pytest
from collected import Collected

from harness.llm.pipe import Answerer, Reports, take_requests
from harness.llm.request import Request
from mlperf_registry.schema.problem import RunFailed


class Ends:
    """Both ends of a pipe, the process's on a thread."""

    def __init__(self):
        self.heard, self.submitted, self.came = Collected(), [], threading.Semaphore(0)
        ours, self.theirs = Pipe()
        self.answerer = Answerer(ours, "it", self.heard, lambda: "It is gone.")
        self.reports = Reports(self.theirs)
        self.reports.start()
        self.process = threading.Thread(target=self._serve)
        self.process.start()

    def _serve(self):
        take_requests(self.theirs, self._submit, self.reports)
        self.reports.end("last word")
        self.theirs.close()

    def _submit(self, requests):
        self.submitted += requests
        self.came.release()

    def ask(self, count, first=0):
        numbers = range(first, first + count)
        self.answerer.submit(
            [Request(n, np.arange(n, dtype=np.int32), f"text {n}" if n % 2 else None) for n in numbers]
        )
        assert self.came.acquire(timeout=10)


@pytest.fixture
def ends():
    made = Ends()
    yield made
    made.answerer.close()
    made.answerer.join(10)
    made.process.join(10)
    assert not made.process.is_alive()


def test_requests_and_reports_arrive_as_they_were(ends):
    ends.ask(4)
    assert [(one.id, one.prompt.tolist(), one.text) for one in ends.submitted] == [
        (0, [], None),
        (1, [0], "text 1"),
        (2, [0, 1], None),
        (3, [0, 1, 2], "text 3"),
    ]
    assert all(one.prompt.dtype == np.int32 for one in ends.submitted)
    ends.reports.first_token([3], [np.array([9], np.int32)])
    ends.reports.progress(5)
    ends.reports.finish([3, 0], [np.array([9, 8], np.int32), np.array([], np.int32)])
    ends.reports.fail([1, 2], "Because.")
    ends.heard.wait(4)
    assert ends.heard.first[3].tolist() == [9] and ends.heard.tokens == 5
    assert {number: answer.tolist() for number, answer in ends.heard.done.items()} == {3: [9, 8], 0: []}
    assert ends.heard.failed == {1: "Because.", 2: "Because."}


def test_the_last_word_comes_with_the_end(ends):
    ends.answerer.close()
    ends.answerer.join(10)
    assert ends.answerer.ended == "last word"


def test_what_is_given_up_has_ended_whatever_is_said_of_it_later(ends):
    ends.ask(3)
    ends.reports.finish([0], [np.array([1], np.int32)])
    ends.heard.wait(1)
    ends.answerer.give_up("The server is gone.")
    ends.answerer.give_up("Another reason.")
    ends.reports.finish([1], [np.array([1], np.int32)])
    ends.reports.end()
    with pytest.raises(RunFailed, match=r"^The server is gone\.$"):
        ends.answerer.submit([Request(9, np.array([1], np.int32))])
    ends.answerer.close()
    ends.answerer.join(10)
    assert ends.heard.failed == dict.fromkeys((1, 2), "The server is gone.")
    ends.heard.wait(3)


def test_a_process_that_is_gone_fails_what_it_had(ends):
    ends.ask(2)
    ends.reports.lost("The engine broke.")
    ends.heard.wait(2)
    assert set(ends.heard.failed.values()) == {"The engine broke."}


def test_a_process_that_ends_without_a_word_is_lost():
    heard = Collected()
    ours, theirs = Pipe()
    answerer = Answerer(ours, "it", heard, lambda: "It is gone.")
    answerer.submit([Request(1, np.array([1], np.int32))])
    theirs.close()
    heard.wait(1)
    assert heard.failed == {1: "It is gone."}


def test_reports_that_do_not_fit_reach_whoever_judges_them(ends):
    ends.ask(2)
    told = []
    ends.heard.finish = lambda ids, outputs: told.append((ids, len(outputs)))
    ends.reports.finish([0, 1], [np.array([1], np.int32)])
    ends.answerer.close()
    ends.answerer.join(10)
    assert told == [([0, 1], 1)]
