"""The QSL: what is gathered is what was loaded, without a copy where that is possible."""

from __future__ import annotations

import numpy as np
import pytest

from harness.benchmarks.dataset import Ragged
from harness.loadgen.qsl import QSL


class Squares:
    """Rows that tell their index; ``ragged`` rows of index % 3 values."""

    def __len__(self):
        return 100

    def load(self, indices):
        lengths = indices % 3
        return {
            "square": np.stack((indices, indices**2), axis=1).astype(np.float32),
            "ragged": Ragged(np.repeat(indices, lengths), np.concatenate(([0], np.cumsum(lengths)))),
        }


@pytest.fixture
def qsl():
    made = QSL(Squares(), 20)
    made.load([5, 7, 6, 50, 51, 52])
    return made


def test_rows_in_any_order(qsl):
    indices = np.array([50, 5, 5, 6])
    assert (qsl.gather("square", indices) == [[50, 2500], [5, 25], [5, 25], [6, 36]]).all()
    ragged = qsl.gather("ragged", indices)
    assert [ragged.row(i).tolist() for i in range(len(ragged))] == [[50] * 2, [5] * 2, [5] * 2, []]


def test_consecutive_slots_are_a_view(qsl):
    out = np.zeros((8, 2), np.float32)
    rows = qsl.gather("square", np.array([7, 6, 50]), out)
    assert np.shares_memory(rows, qsl.column("square"))
    assert (rows[:, 0] == [7, 6, 50]).all()
    assert not out.any()
    ragged = qsl.gather("ragged", np.array([50, 51, 52]))
    assert np.shares_memory(ragged.values, qsl.column("ragged").values)
    assert [ragged.row(i).tolist() for i in range(3)] == [[50] * 2, [], [52]]


def test_other_rows_fill_the_buffer_given(qsl):
    out = np.zeros((8, 2), np.float32)
    rows = qsl.gather("square", np.array([52, 5]), out)
    assert np.shares_memory(rows, out)
    assert rows.tolist() == [[52, 2704], [5, 25]]
    assert not out[2:].any()


def test_nothing_gathered_is_empty(qsl):
    assert qsl.gather("square", np.array([], np.int64)).shape == (0, 2)


def test_sample_that_is_not_loaded(qsl):
    with pytest.raises(KeyError, match="sample 99 is not loaded"):
        qsl.gather("square", np.array([5, 99]))


def test_sets_one_after_another(qsl):
    qsl.unload([5, 7, 6, 50, 51, 52])
    assert qsl.names == ()
    qsl.load([1, 2])
    assert qsl.gather("square", np.array([2])).tolist() == [[2, 4]]
    with pytest.raises(KeyError):
        qsl.slots(np.array([5]))


def test_sample_count():
    assert QSL(Squares(), 0).performance_sample_count == 100
    with pytest.raises(ValueError, match="the data set has 100 samples"):
        QSL(Squares(), 101)


def test_rows_must_be_as_many_as_samples():
    class Short(Squares):
        def load(self, indices):
            return {"square": np.zeros((1, 2))}

    with pytest.raises(ValueError, match="1 rows of square for 2 samples"):
        QSL(Short(), 10).load([1, 2])


class Keeper:
    """A holder that writes down what it is told, and may refuse."""

    def __init__(self, error=None):
        self.told, self._error = [], error

    def hold(self, columns):
        self.told.append({name: len(column) for name, column in columns.items()})
        if self._error is not None:
            raise self._error

    def drop(self):
        self.told.append("drop")


def test_a_holder_is_told_of_what_is_loaded_until_the_last_sample_goes():
    qsl, keeper = QSL(Squares(), 20), Keeper()
    qsl.tell(keeper)
    qsl.load([3, 1])
    qsl.unload([3])
    assert keeper.told == [dict.fromkeys(qsl.names, 2)]
    qsl.unload([1])
    assert keeper.told[1:] == ["drop"]
    qsl.tell(None)
    qsl.load([2])
    assert len(keeper.told) == 2


def test_samples_that_a_holder_refuses_are_not_loaded():
    qsl = QSL(Squares(), 20)
    qsl.tell(Keeper(RuntimeError("no memory")))
    with pytest.raises(RuntimeError, match="no memory"):
        qsl.load([3, 1])
    with pytest.raises(KeyError):
        qsl.slots(np.array([3]))
