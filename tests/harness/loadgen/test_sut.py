"""The SUT without LoadGen: what it answers to good and to bad reports, and that it answers each sample once."""

from __future__ import annotations

import ctypes
import threading
from queue import SimpleQueue

import numpy as np
import pytest

from harness.loadgen.runner import Ended
from harness.loadgen.sut import SUT, Answers
from mlperf_registry.schema.problem import RunFailed


class Loopback:
    """A runner that keeps what it is given."""

    batching = "harness"

    def __init__(self):
        self.batches = SimpleQueue()

    def submit(self, ids, indices):
        self.batches.put((ids, indices))


class Answered:
    """Stands in for LoadGen: copies what each response points to."""

    def __init__(self):
        self.complete, self.first = {}, {}
        self.calls = 0

    def on_complete(self, responses):
        self.calls += 1
        self._copy(responses, self.complete)

    def on_first(self, responses):
        self._copy(responses, self.first)

    def _copy(self, responses, into):
        for response in responses:
            assert response.id not in into
            into[response.id] = (
                ctypes.string_at(response.data, response.size) if response.size else b"",
                response.n_tokens,
            )


@pytest.fixture
def make():
    made = []

    def make_sut(**options):
        runner, answered = Loopback(), Answered()
        answers = Answers(answered.on_complete, answered.on_first)
        sut = SUT(runner, batch_size=4, answers=answers, **options)
        made.append(sut)
        return sut, runner, answered

    yield make_sut
    for sut in made:
        sut.stop()


def ids(*numbers):
    return np.array(numbers, np.int64)


def issue(sut, runner, count):
    sut.issue([1000 + i for i in range(count)], [7 * i for i in range(count)])
    taken = 0
    while taken < count:
        batch, indices = runner.batches.get(timeout=5)
        assert indices.tolist() == [7 * i for i in batch]
        taken += len(batch)


def test_rows_go_to_the_samples_they_belong_to(make):
    sut, runner, answered = make()
    issue(sut, runner, 6)
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    sut.complete(ids(3, 1), rows[:2])
    sut.complete(ids(5), rows[2:3])
    sut.complete(ids(0, 2, 4), rows[3:])
    assert answered.calls == 3
    assert {key: data for key, (data, _) in answered.complete.items()} == {
        1003: rows[0].tobytes(),
        1001: rows[1].tobytes(),
        1005: rows[2].tobytes(),
        1000: rows[3].tobytes(),
        1002: rows[4].tobytes(),
        1004: rows[5].tobytes(),
    }
    assert sut.failures == []


def test_read_only_empty_and_ragged_rows(make):
    sut, runner, answered = make()
    issue(sut, runner, 6)
    frozen = np.arange(2)
    frozen.flags.writeable = False
    sut.complete(ids(0, 1), frozen)
    sut.complete(ids(2, 3), np.zeros((2, 0)))
    sut.complete(ids(4, 5), [np.arange(3, dtype=np.int16), np.zeros(0)])
    assert answered.complete[1001] == (np.int64(1).tobytes(), 0)
    assert answered.complete[1003] == (b"", 0)
    assert answered.complete[1004] == (np.arange(3, dtype=np.int16).tobytes(), 0)
    assert answered.complete[1005] == (b"", 0)
    assert sut.failures == []


def test_tokens(make):
    sut, runner, answered = make(token_counts=True, first_tokens=True)
    issue(sut, runner, 3)
    sut.first_token(ids(2, 0), np.array([[22], [20]], np.int32))
    sut.first_token(ids(1), [np.array([21], np.int32)])
    sut.complete(ids(0, 2), [np.arange(2), np.arange(5)], np.array([2, 5]))
    sut.complete(ids(1), np.zeros((1, 3), np.int32), np.array([3]))
    assert answered.first == {1000 + i: (np.int32(20 + i).tobytes(), 0) for i in range(3)}
    assert [answered.complete[1000 + i][1] for i in range(3)] == [2, 3, 5]
    assert sut.samples.token_count[:3].tolist() == [2, 3, 5]
    assert (sut.samples.first_token_ns[:3] > 0).all()


def test_first_tokens_are_kept_from_loadgen_where_it_does_not_ask(make):
    sut, runner, answered = make(token_counts=True)
    issue(sut, runner, 1)
    sut.first_token(ids(0), np.array([1]))
    assert answered.first == {}
    assert sut.samples.first_token_ns[0] > 0


ROWS = np.zeros((4, 2))


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (lambda sut: sut.complete(ids(0), ROWS[:1]), "Sample 0 was completed twice."),
        (lambda sut: sut.complete(ids(1, 0), ROWS[:2]), "Sample 0 was completed twice."),
        (lambda sut: sut.complete(ids(2, 1, 2), ROWS[:3]), "Sample 2 was completed twice, in one call."),
        (lambda sut: sut.complete(ids(9), ROWS[:1]), "Sample 9 was completed, but never issued."),
        (lambda sut: sut.complete(ids(-1, 2), ROWS[:2]), "Sample -1 was completed, but never issued."),
        (lambda sut: sut.complete(ids(1, 2), ROWS[:1]), "The runner reported 1 rows of output for 2 samples."),
        (lambda sut: sut.complete(ids(1, 2), ROWS[:, ::2][:2]), "The runner reported output that is not C-contiguous."),
        (
            lambda sut: sut.complete(ids(1, 2), ROWS[:2], ids(3)),
            "The runner reported 1 token counts for 2 samples.",
        ),
        (lambda sut: sut.first_token(ids(0), ROWS[:1]), "The first token of sample 0 came after its completion."),
        (lambda sut: sut.first_token(ids(9, 1), ROWS[:2]), "Sample 9 has a first token, but was never issued."),
    ],
)
def test_a_bad_report_is_a_reason_and_its_samples_are_answered_empty(make, report, reason):
    sut, runner, answered = make()
    issue(sut, runner, 4)
    sut.complete(ids(0), ROWS[:1])
    report(sut)
    assert len(sut.failures) == 1
    assert sut.failures[0].startswith(reason)
    for number in range(1, 4):
        sut.fail(ids(number), "end")
    assert sorted(answered.complete) == [1000, 1001, 1002, 1003]
    assert sut.samples.completed == 4
    assert answered.complete[1001] == (b"", 0)


def test_completion_without_its_first_token(make):
    sut, runner, answered = make(token_counts=True, first_tokens=True)
    issue(sut, runner, 2)
    sut.complete(ids(0, 1), ROWS[:2], ids(2, 2))
    assert sut.failures == ["Sample 0 was completed without its first token. (2 samples)"]
    # LoadGen must have a first token of every sample before its end.
    assert sorted(answered.first) == sorted(answered.complete) == [1000, 1001]


def test_reasons_are_counted_and_bounded(make):
    sut, runner, _ = make()
    issue(sut, runner, 40)
    for number in range(40):
        sut.fail(ids(number), f"reason {number // 2 % 30}")
    assert sut.failures[0] == "reason 0 (2 samples)"
    assert len(sut.failures) <= 21


def test_a_runner_that_raises_breaks_the_run_and_no_sample_stays_open(make):
    sut, runner, answered = make()
    issue(sut, runner, 4)
    woken = threading.Event()
    sut.on_broken = woken.set
    error = RuntimeError("gone")

    def submit(ids, indices):
        raise error

    runner.submit = submit
    sut.issue([2000], [1])
    assert woken.wait(5)
    assert sut.broken is error
    sut.issue([2001], [1])
    sut.stop()
    assert sorted(answered.complete) == [1000, 1001, 1002, 1003, 2000, 2001]


def test_a_batcher_that_ends_breaks_the_run_at_once_and_no_sample_stays_open(make):
    sut, _, answered = make(hold_ns=1)
    woken = threading.Event()
    sut.on_broken = woken.set
    sut._batcher._arrival_ns = lambda number: 1 / 0
    sut.issue([2000], [1])
    assert woken.wait(5)
    assert isinstance(sut.broken, ZeroDivisionError)
    sut.issue([2001, 2002], [1, 2])
    sut.stop()
    assert sorted(answered.complete) == [2000, 2001, 2002]


def test_a_qsl_that_cannot_load_breaks_the_run(make):
    sut, _, answered = make()

    def load(indices):
        raise OSError("no such file")

    sut.guard(load)([1, 2])
    assert isinstance(sut.broken, OSError)
    sut.issue([2000], [1])
    sut.stop()
    assert list(answered.complete) == [2000]


def test_restart_numbers_from_zero_again(make):
    sut, runner, _ = make()
    issue(sut, runner, 5)
    sut.complete(np.arange(5), np.zeros(5))
    answered = Answered()
    sut.restart(Answers(answered.on_complete, answered.on_first), 0)
    issue(sut, runner, 3)
    sut.complete(np.arange(3), np.zeros(3))
    assert sorted(answered.complete) == [1000, 1001, 1002]
    assert sut.samples.issued == sut.samples.completed == 3


@pytest.mark.parametrize("direct", [False, True])
def test_completions_from_many_threads_while_samples_are_issued(make, direct):
    sut, runner, answered = make(direct=direct)
    total = 100_000

    def work():
        while (batch := runner.batches.get())[0] is not None:
            order = batch[0][::-1].copy()
            sut.complete(order, order)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for first in range(0, total, 50):
        sut.issue(list(range(first, first + 50)), list(range(50)))
    sut.stop()
    for _ in workers:
        runner.batches.put((None, None))
    for worker in workers:
        worker.join()
    assert sut.failures == []
    assert sut.samples.completed == total
    assert answered.complete == {number: (np.int64(number).tobytes(), 0) for number in range(total)}


def test_the_engine_starts_on_a_long_query_before_all_of_it_is_taken_in(make):
    sut, runner, answered = make()
    total = 300_000
    taken_in = []

    def submit(ids, indices):
        assert indices.tolist() == ids.tolist()
        taken_in.append(sut.samples.issued)
        sut.complete(ids, ids.copy())

    runner.submit = submit
    sut.issue(list(range(total)), list(range(total)))
    sut.stop()
    assert taken_in[0] < total
    assert len(taken_in) == total // 4
    assert set(sut.samples.issue_ns[:total].tolist()) == {int(sut.samples.issue_ns[0])}
    assert answered.complete == {number: (np.int64(number).tobytes(), 0) for number in range(total)}


class Prompt(Loopback):
    """A runner that answers in the thread that asks; ``does`` stands for the engine."""

    def __init__(self, does, refuses=lambda indices: None):
        super().__init__()
        self.immediate = self
        self._does, self._refuses = does, refuses

    def begin(self, indices):
        self._refuses(indices)
        self._indices = indices

    def end(self):
        return self._does(self._indices)


class TestOneQueryAtATime:
    """With a runner that answers at once, no query goes through queue and batcher."""

    def make(self, does, refuses=lambda indices: None, **options):
        answered = Answered()
        answers = Answers(answered.on_complete, answered.on_first)
        runner = Prompt(does, refuses)
        sut = SUT(runner, batch_size=8, answers=answers, direct=True, **options)
        sut.restart(answers, 0)
        return sut, runner, answered

    @pytest.mark.parametrize("count", [1, 8])
    def test_it_is_answered_and_its_samples_are_timed(self, count):
        sut, runner, answered = self.make(lambda indices: 10 * np.array(indices), respond=lambda outputs: outputs + 1)
        for turn in range(3):
            sut.issue([100 * turn + i for i in range(count)], list(range(count)))
        assert runner.batches.empty()
        expected = {100 * turn + i: (np.int64(10 * i + 1).tobytes(), 0) for turn in range(3) for i in range(count)}
        assert answered.complete == expected
        assert answered.calls == 3
        samples = sut.samples
        assert samples.issued == samples.completed == 3 * count
        assert (samples.complete_ns[: 3 * count] >= samples.issue_ns[: 3 * count]).all()
        assert not sut.failures and sut.broken is None

    def test_a_query_larger_than_a_batch_is_cut_into_batches(self):
        sizes = []

        def does(indices):
            sizes.append(len(indices))
            return 10 * np.array(indices)

        sut, runner, answered = self.make(does)

        def submit(ids, indices):
            sut.complete(ids, does(indices))

        runner.submit = submit
        for count in (8, 9, 20, 1):
            first = sut.samples.issued
            sut.issue(list(range(first, first + count)), list(range(count)))
            expected = {first + i: (np.int64(10 * i).tobytes(), 0) for i in range(count)}
            assert {key: value for key, value in answered.complete.items() if key >= first} == expected
        assert sizes == [8, 8, 1, 8, 8, 4, 1]
        assert sut.samples.completed == sut.samples.issued == 38
        assert not sut.failures and sut.broken is None

    def test_more_samples_than_expected_find_room(self, monkeypatch):
        monkeypatch.setattr("harness.loadgen.samples._SMALLEST", 4)
        sut, _, answered = self.make(np.array)
        for index in range(50):
            sut.issue([index], [index])
        assert answered.complete == {index: (np.int64(index).tobytes(), 0) for index in range(50)}
        assert sut.samples.index[:50].tolist() == list(range(50))
        assert (sut.samples.complete_ns[:50] >= sut.samples.issue_ns[:50]).all()

    def test_outputs_may_differ_in_form_from_query_to_query(self):
        forms = [np.int64, np.int64, np.int32, np.int32, np.int64]
        wide = [(), (), (), (2,), (2,)]
        turn = 0

        def does(indices):
            return np.full((len(indices), *wide[turn]), turn, forms[turn])

        sut, _, answered = self.make(does)
        for turn, count in enumerate((1, 2, 2, 2, 2)):
            sut.issue([10 * turn + i for i in range(count)], list(range(count)))
            one = np.full(wide[turn], turn, forms[turn]).tobytes()
            assert {key: value for key, value in answered.complete.items() if key >= 10 * turn} == {
                10 * turn + i: (one, 0) for i in range(count)
            }
        assert not sut.failures and sut.broken is None

    def test_the_engine_works_while_the_query_is_recorded(self):
        sut, _, _ = self.make(lambda indices: issued.append(sut.samples.issued) or np.array(indices))
        issued = []
        sut.issue([1], [1])
        assert issued == [1]

    @pytest.mark.parametrize("part", ["does", "refuses"])
    def test_one_that_cannot_be_answered_is_a_reason_and_the_next_is_asked(self, part):
        def fails(indices):
            if indices[0] == 1:
                raise RunFailed("The engine did not like it.")
            return np.array(indices)

        sut, _, answered = self.make(**{"does": np.array, part: fails})
        for index in range(3):
            sut.issue([index], [index])
        assert sorted(answered.complete) == [0, 1, 2]
        assert answered.complete[1] == (b"", 0)
        assert sut.failures == ["The engine did not like it. (1 sample)"]
        assert sut.broken is None

    @pytest.mark.parametrize("part", ["does", "refuses"])
    @pytest.mark.parametrize("error", [Ended("The GPU is gone."), KeyError("sample 5 is not loaded")])
    def test_the_end_of_the_runner_is_the_end_of_the_run(self, error, part):
        def fails(indices):
            raise error

        sut, _, answered = self.make(**{"does": np.array, part: fails})
        for index in range(3):
            sut.issue([index], [index])
        assert sorted(answered.complete) == [0, 1, 2]
        assert sut.broken is error

    def test_a_wrong_number_of_answers_is_a_reason(self):
        sut, _, answered = self.make(lambda indices: np.zeros(3))
        sut.issue([1, 2], [0, 1])
        assert answered.complete == {1: (b"", 0), 2: (b"", 0)}
        assert sut.failures == ["The runner reported 3 rows of output for 2 samples. (2 samples)"]

    @pytest.mark.parametrize(
        ("does", "options", "reason"),
        [
            (lambda indices: np.asfortranarray(np.ones((len(indices), 2))), {}, "not C-contiguous"),
            (np.array, {"token_counts": True}, "no token counts"),
        ],
    )
    def test_answers_of_a_wrong_form_are_wrong_in_every_query(self, does, options, reason):
        sut, _, answered = self.make(does, **options)
        for turn in range(3):
            sut.issue([10 * turn, 10 * turn + 1], [0, 1])
        assert answered.complete == {10 * turn + i: (b"", 0) for turn in range(3) for i in range(2)}
        (failure,) = sut.failures
        assert reason in failure and "6 samples" in failure

    def test_answers_of_the_right_form_are_right_after_those_of_a_wrong_one(self):
        orders = ["F", "C", "C"]
        sut, _, answered = self.make(lambda indices: np.array([[1, 2], [3, 4]], order=orders.pop(0)))
        for turn in range(3):
            sut.issue([10 * turn, 10 * turn + 1], [0, 1])
        rows = [np.array(row).tobytes() for row in ([1, 2], [3, 4])]
        assert answered.complete == {
            10 * turn + i: (rows[i] if turn else b"", 0) for turn in range(3) for i in range(2)
        }
