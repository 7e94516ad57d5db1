"""QSL: the samples that LoadGen has asked to hold in memory, as named arrays that runners gather batches from.

Where a batch lies in consecutive slots it is handed out as a view: no copy between load and engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.benchmarks.dataset import Dataset, Ragged

Array = npt.NDArray[np.generic]
Integers = npt.NDArray[np.int64]

_ABSENT = -1


class Holder(Protocol):
    """Who must know where samples lie while they are loaded: a runner that pins them, or copies them to devices."""

    def hold(self, columns: Mapping[str, Array | Ragged]) -> None:
        """Samples are loaded, and stay where they are until ``drop``."""

    def drop(self) -> None:
        """They are about to go."""


class QSL:
    """LoadGen's query sample library. A slot is the position of a loaded sample in every column."""

    def __init__(
        self,
        dataset: Dataset,
        performance_sample_count: int,
        loading: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            dataset: where samples come from.
            performance_sample_count: samples held during a performance run; 0 for the whole set.
            loading: entered while samples come into memory, which may take minutes.

        Raises:
            ValueError: when the data set has fewer samples than that.
        """
        self.total = len(dataset)
        """Samples of the whole set."""
        self.performance_sample_count = performance_sample_count or self.total
        """Samples held in memory at once."""
        if self.performance_sample_count > self.total:
            raise ValueError(
                f"performance_sample_count is {performance_sample_count}, but the data set has {self.total} samples. "
                "Lower loadgen.performance_sample_count_override."
            )
        self._dataset = dataset
        self._loading = loading
        self._slot_of = np.full(self.total, _ABSENT, np.int64)
        self._slot_at = self._slot_of.data
        """The same: one element goes out of a memoryview four times faster than of an array."""
        self._columns: dict[str, Array | Ragged] = {}
        self._holder: Holder | None = None

    def tell(self, holder: Holder | None) -> None:
        """From now on tell ``holder`` of what is loaded and unloaded; None ends it."""
        self._holder = holder

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded columns: the engine's inputs."""
        return tuple(self._columns)

    def load(self, indices: Sequence[int]) -> None:
        """Load samples, row by row in the order of ``indices``; LoadGen unloads one set before it loads the next.

        Raises:
            ValueError: when the data set returns another number of rows than asked for.
        """
        wanted = np.asarray(indices, np.int64)
        with self._loading():
            columns = {
                name: column if isinstance(column, Ragged) else np.ascontiguousarray(column)
                for name, column in self._dataset.load(wanted).items()
            }
            for name, column in columns.items():
                if len(column) != len(wanted):
                    raise ValueError(f"The data set returned {len(column)} rows of {name} for {len(wanted)} samples.")
            if self._holder is not None:
                self._holder.hold(columns)
        self._columns = columns
        self._slot_of.fill(_ABSENT)
        self._slot_of[wanted] = np.arange(len(wanted))

    def unload(self, indices: Sequence[int]) -> None:
        """Forget samples; their memory goes once the last of a set is forgotten and no runner holds a view."""
        self._slot_of[np.asarray(indices, np.int64)] = _ABSENT
        if not (self._slot_of != _ABSENT).any():
            if self._holder is not None:
                self._holder.drop()
            self._columns = {}

    def slots(self, indices: Integers) -> Integers:
        """Slot of each sample.

        Args:
            indices: positions in the data set, shape [n].

        Raises:
            KeyError: when a sample is not loaded.
        """
        slots: Integers = self._slot_of[indices]
        if len(slots) and slots.min() < 0:
            raise KeyError(f"sample {int(indices[int(slots.argmin())])} is not loaded")
        return slots

    def place(self, indices: Sequence[int], slots: memoryview) -> None:
        """Write the slot of each sample of a query: quicker than arrays, for so few.

        Args:
            indices: positions in the data set, n of them.
            slots: int64, shape [n or more].

        Raises:
            KeyError: when a sample is not loaded.
        """
        slot_at = self._slot_at
        for position, index in enumerate(indices):
            slot = slot_at[index]
            if slot < 0:
                raise KeyError(f"sample {index} is not loaded")
            slots[position] = slot

    def column(self, name: str) -> Array | Ragged:
        """A whole column, row s for slot s: what a device that keeps all samples copies once."""
        return self._columns[name]

    def gather(self, name: str, indices: Integers, out: Array | None = None) -> Array | Ragged:
        """The rows of ``indices``, shape [n, ...].

        Args:
            name: a column.
            indices: positions in the data set, shape [n].
            out: where to put rows that are not consecutive, shape [n or more, ...], of the column's dtype. Ragged
                columns take none.

        Returns:
            A view of the column where the slots are consecutive, else the filled part of ``out``, else a new array.
            Use what is returned: ``out`` may be untouched.

        Raises:
            KeyError: when a sample is not loaded, or no column has the name.
        """
        slots = self.slots(indices)
        column = self._columns[name]
        count = len(slots)
        first = int(slots[0]) if count else 0
        consecutive = count <= 1 or (int(slots[-1]) - first == count - 1 and bool((np.diff(slots) == 1).all()))
        if isinstance(column, Ragged):
            return _ragged_run(column, first, first + count) if consecutive else _ragged_rows(column, slots)
        if consecutive:
            return column[first : first + count]
        # The slots are checked, and any mode but "clip" makes numpy fill a buffer of its own before ``out``.
        taken: Array = np.take(column, slots, axis=0, out=None if out is None else out[:count], mode="clip")
        return taken


def _ragged_run(column: Ragged, first: int, stop: int) -> Ragged:
    offsets = column.offsets[first : stop + 1]
    return Ragged(column.values[offsets[0] : offsets[-1]], offsets - offsets[0])


def _ragged_rows(column: Ragged, slots: Integers) -> Ragged:
    starts = column.offsets[slots]
    lengths = column.offsets[slots + 1] - starts
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    # Position of each value: its row's start in the column, plus its place within the row.
    source = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Ragged(column.values[source], offsets)
