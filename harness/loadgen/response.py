"""Responses: rows of output in the form in which LoadGen takes them, by address and size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ctypes import addressof, c_char
from itertools import repeat
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from harness.loadgen.binding import loadgen

Rows: TypeAlias = npt.NDArray[np.generic] | Sequence[npt.NDArray[np.generic]]


class Responses:
    """Makes LoadGen's QuerySampleResponse; LoadGen reads the rows where they lie, while it is told of them."""

    def __init__(self) -> None:
        self._make = loadgen().QuerySampleResponse

    def of(
        self, loadgen_ids: Sequence[int], rows: Rows, token_counts: npt.NDArray[np.int64] | None = None
    ) -> list[Any]:
        """One for each sample.

        Args:
            loadgen_ids: LoadGen's own ids, n of them, 1 or more.
            rows: C-contiguous, n of them: one array, or an array for each.
            token_counts: output tokens of each, shape [n].
        """
        count = len(loadgen_ids)
        addresses: Iterable[int]
        sizes: Iterable[int]
        if isinstance(rows, np.ndarray):
            base, size = _address(rows), rows.nbytes // count
            if count == 1 and token_counts is None:
                return [self._make(loadgen_ids[0], base, size)]
            addresses = range(base, base + size * count, size) if size else repeat(0)
            sizes = repeat(size)
        else:
            addresses = map(_address, rows)
            sizes = [row.nbytes for row in rows]
        if token_counts is None:
            return list(map(self._make, loadgen_ids, addresses, sizes))
        return list(map(self._make, loadgen_ids, addresses, sizes, token_counts.tolist()))

    def empty(self, loadgen_ids: Sequence[int]) -> list[Any]:
        """Responses without content."""
        return [self._make(id_, 0, 0) for id_ in loadgen_ids]


class Landing:
    """Memory for the outputs of one query at a time, so that its responses are made before its outputs are there."""

    def __init__(self, responses: Responses) -> None:
        self._responses = responses
        self._rows: npt.NDArray[np.generic] | None = None
        """Where the query's outputs will lie if they are as expected."""
        self._prepared: list[Any] = []

    def prepare(self, loadgen_ids: Sequence[int]) -> None:
        """Make responses for a query whose outputs are expected."""
        rows = self._rows
        self._prepared = [] if rows is None or len(rows) != len(loadgen_ids) else self._responses.of(loadgen_ids, rows)

    def take(self, outputs: Rows) -> list[Any] | None:
        """The responses that were prepared, with the outputs in their place; None where these are not as expected."""
        rows = self._rows
        if (
            self._prepared
            and rows is not None
            and isinstance(outputs, np.ndarray)
            and outputs.shape == rows.shape
            and outputs.dtype == rows.dtype
        ):
            rows[:] = outputs
            return self._prepared
        return None

    def expect(self, outputs: Rows) -> None:
        """The next query's outputs are likely to be like these, which are right in form."""
        self._rows = np.empty(outputs.shape, outputs.dtype) if isinstance(outputs, np.ndarray) else None


def _address(array: npt.NDArray[np.generic]) -> int:
    """Address of a C-contiguous array's first byte."""
    try:
        # Three times cheaper than ``ndarray.ctypes``, but takes only writable, non-empty arrays.
        return addressof(c_char.from_buffer(cast(Any, array)))
    except (TypeError, ValueError, BufferError):
        return int(array.ctypes.data)
