"""LLMRunner behind a SUT, with simulated cores: shares, order, back-pressure, closing, and every wrong report."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from llm_case import make_llm_run
from simulated_core import SimulatedCore, SimulatedLLM, SimulatedPrompts, answer, prompt

from harness.loadgen.events import Events
from harness.loadgen.qsl import QSL
from harness.loadgen.session import open_session
from harness.loadgen.sut import SUT, Answers
from mlperf_registry.schema.problem import NotReady


class Answered:
    """Stands in for LoadGen: what each sample got, and how often."""

    def __init__(self):
        self.tokens, self.firsts, self.calls = {}, {}, []

    def complete(self, responses):
        for response in responses:
            self.calls.append(response.id)
            self.tokens[response.id] = response.n_tokens

    def first(self, responses):
        for response in responses:
            self.firsts[response.id] = response.size


class Bench:
    """A runner of cores, open, with all samples loaded and a SUT in front."""

    def __init__(self, cores, scenario="Server", **case):
        settings = {"scenario": scenario, "use_token_latencies": True}
        run = make_llm_run({"folder": "/nowhere", "test": "performance", "settings": settings, **case})
        self.cores, self.answered = cores, Answered()
        self.runner = SimulatedLLM(cores)
        self.qsl = QSL(SimulatedPrompts(), 0)
        self.sut = SUT(
            self.runner,
            batch_size=1,
            answers=Answers(self.answered.complete, self.answered.first),
            token_counts=True,
            first_tokens=scenario != "Offline",
        )
        self.runner.open(run, self.qsl, self.sut)
        self.qsl.load(range(500))

    def issue(self, indices):
        self.sut.issue(list(indices), list(indices))
        self.sut.flush()

    def wait(self, count):
        deadline = time.monotonic() + 10
        while len(self.answered.calls) < count:
            assert time.monotonic() < deadline, "samples are lost"
            time.sleep(0.001)
        self.runner.drain()

    def end(self):
        """Close the runner, after which its cores report nothing more."""
        self.runner.close()


@pytest.fixture
def bench():
    made = []

    def make(*cores, **case):
        made.append(Bench(list(cores), **case))
        return made[-1]

    yield make
    for bench in made:
        bench.sut.stop()
        if not any(core.closed for core in bench.cores):
            bench.runner.close()


@pytest.mark.parametrize("scenario", ["Offline", "Server"])
@pytest.mark.parametrize("at_once", [False, True], ids=["later", "before submit returns"])
def test_every_sample_gets_its_answer_once(bench, scenario, at_once):
    b = bench(SimulatedCore("a", at_once=at_once), SimulatedCore("b", capacity=3), scenario=scenario)
    b.issue(range(300))
    b.wait(300)
    assert sorted(b.answered.calls) == list(range(300))
    assert all(b.answered.tokens[index] == len(answer(index)) for index in range(300))
    assert b.answered.firsts == ({} if scenario == "Offline" else dict.fromkeys(range(300), 4))
    assert b.sut.failures == []
    assert b.runner.token_flow.tokens == sum(len(answer(index)) for index in range(300))


@pytest.mark.parametrize(
    ("fault", "sentences"),
    [
        ("fails", ["The server answered 500."]),
        ("fails twice", ["The server answered 500.", "The connection was reset."]),
        ("fails after its answer", ["The connection was reset."]),
        ("empty", ["core answered a request with no token."]),
        ("twice", ["core reported on a request that has ended, or that it never got."]),
        ("first token late", ["core reported an answer without its first token before."]),
        (
            "first token twice",
            [
                "core reported the first token of a request twice.",
                "core reported on a request that has ended, or that it never got.",
            ],
        ),
    ],
)
def test_a_wrong_report_fails_its_sample_and_no_other(bench, fault, sentences):
    b = bench(SimulatedCore(fault=fault))
    b.issue(range(300))
    b.wait(300)
    b.end()
    assert sorted(b.answered.calls) == list(range(300))
    assert [failure.partition(" (")[0] for failure in b.sut.failures] == sentences
    assert b.sut.failures[0].endswith(" (15 samples)")
    struck = {index for index in range(300) if index % 20 == 19}
    whole = {"twice", "fails after its answer"}
    failed = {index for index, tokens in b.answered.tokens.items() if not tokens}
    assert failed == (set() if fault in whole else struck)
    assert b.answered.firsts.keys() == set(range(300))


def test_an_answer_of_one_token_is_an_answer(bench):
    b = bench(SimulatedCore(fault="one token"))
    b.issue(range(100))
    b.wait(100)
    assert b.sut.failures == []
    assert {index for index, tokens in b.answered.tokens.items() if tokens == 1} == {19, 39, 59, 79, 99}


def test_reports_of_another_length_than_their_requests(bench):
    b = bench(SimulatedCore(fault="short report"))
    b.issue(range(100))
    b.wait(100)
    b.end()
    assert sorted(b.answered.calls) == list(range(100))
    assert all(failure.startswith("core reported 0 answers for ") for failure in b.sut.failures)


def test_an_answer_to_no_request(bench):
    b = bench(SimulatedCore(fault="stranger"))
    b.issue(range(100))
    b.wait(100)
    b.end()
    assert sorted(b.answered.calls) == list(range(100))
    assert b.sut.failures[0].startswith("core reported on a request that has ended, or that it never got.")


def test_offline_cores_get_equal_shares_whatever_they_hold(bench):
    slow, fast = SimulatedCore("slow", step_s=0.01), SimulatedCore("fast")
    b = bench(slow, fast, scenario="Offline")
    b.issue(range(100))
    b.wait(100)
    assert [sum(map(len, core.shares)) for core in (slow, fast)] == [50, 50]
    assert slow.shares == [list(range(0, 100, 2))], "a query comes in one call"


def test_server_cores_get_by_what_they_hold(bench):
    slow, fast = SimulatedCore("slow", step_s=0.02), SimulatedCore("fast")
    b = bench(slow, fast)
    for index in range(100):
        b.issue([index])
        time.sleep(0.002)
    b.wait(100)
    assert sum(map(len, fast.shares)) > 2 * sum(map(len, slow.shares))


@pytest.mark.parametrize("flags", [{}, {"max_concurrency": 5}, {"max_concurrency": -1}])
def test_no_core_holds_more_than_its_capacity(bench, flags):
    core = SimulatedCore(capacity=7, step_s=0.001)
    b = bench(core, scenario="Offline", flags=flags)
    b.issue(range(200))
    b.wait(200)
    assert core.most == (5 if flags.get("max_concurrency") == 5 else 7)
    assert b.runner.depth == core.most


def test_a_sorted_query_has_the_longest_prompts_first_in_each_segment(bench):
    core = SimulatedCore()
    b = bench(core, scenario="Offline", llm={"enable_sort": True, "num_sort_segments": 2})
    b.issue(range(100))
    b.wait(100)
    (order,) = core.shares
    for first in (0, 50):
        lengths = [len(prompt(index)) for index in order[first : first + 50]]
        assert lengths == sorted(lengths, reverse=True)
        assert sorted(order[first : first + 50]) == list(range(first, first + 50))


def test_single_queries_are_never_sorted(bench):
    core = SimulatedCore()
    b = bench(core, llm={"enable_sort": True})
    b.issue(range(100))
    b.wait(100)
    assert core.shares == [list(range(100))]


def test_closing_fails_what_is_under_way_and_what_waits_for_room(bench):
    core = SimulatedCore(capacity=4, fault="silent")
    b = bench(core, scenario="Offline")
    b.issue(range(30))
    deadline = time.monotonic() + 5
    while not core.shares:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    b.runner.close()
    b.wait(30)
    assert sorted(b.answered.calls) == list(range(30))
    assert b.sut.failures == ["The engine was closed before it had answered. (30 samples)"]
    assert core.shares == [[0, 1, 2, 3]] and core.closed == 1


def test_cores_open_side_by_side_and_all_close_when_one_cannot(bench):
    met = threading.Barrier(2, timeout=5)

    class Meeting(SimulatedCore):
        def open(self, generation, listener):
            met.wait()
            super().open(generation, listener)

    cores = [Meeting("a"), Meeting("b", fault="not ready")]
    run = make_llm_run({"folder": "/nowhere", "test": "performance", "settings": {"scenario": "Offline"}})
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w") as events, pytest.raises(NotReady, match="b lacks its model"):
        open_session(
            run,
            run.tests["performance"].settings,
            Events(events.fileno()),
            SimulatedPrompts(),
            SimulatedLLM(cores),
        )
    assert [(core.opened, core.closed) for core in cores] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("rounds", "duration", "sizes"), [(0, 100, []), (3, 0, [12, 12, 12]), (None, 0, []), (None, 1, [12])]
)
def test_warm_up_goes_in_rounds_of_what_the_cores_hold(rounds, duration, sizes, tmp_path):
    cores = [SimulatedCore("a", capacity=4, step_s=0.002), SimulatedCore("b", capacity=8, step_s=0.002)]
    case = {"folder": str(tmp_path), "test": "performance", "settings": {"scenario": "Offline"}}
    run = make_llm_run({**case, "llm": {"warmup_iterations": rounds}, "runtime": {"warmup_duration": duration}})
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w") as events:
        session = open_session(
            run,
            run.tests["performance"].settings,
            Events(events.fileno()),
            SimulatedPrompts(),
            SimulatedLLM(cores),
        )
        session.warm_up()
        session.close()
    assert [len(a) + len(b) for a, b in zip(cores[0].shares, cores[1].shares, strict=True)] == sizes


def test_a_column_of_another_form_is_a_plain_error(bench):
    b = bench(SimulatedCore())
    b.qsl._columns["input_ids"] = np.zeros((500, 3), np.int32)
    b.issue([1])
    b.wait(1)
    assert str(b.sut.broken) == "The data set's column input_ids must be Ragged, of int32."
