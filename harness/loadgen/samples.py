"""Samples: one row for each sample issued, its times and what became of it; saved as samples.npz.

LoadGen writes no latency of a single sample with its trace off; these columns are where the plots come from.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np
import numpy.typing as npt

from mlperf_registry.atomic import write_bytes

Integers = npt.NDArray[np.int64]

_COLUMNS = ("loadgen_id", "index", "issue_ns", "complete_ns", "first_token_ns", "token_count")
_SMALLEST = 1 << 16
_LARGEST = 1 << 26
_TOUCHED = 1 << 23
"""Samples whose memory is had ahead: 256 MiB; ten minutes of MultiStream at 14,000 samples/s."""
_LOOKED_AT = 4096


class Samples:
    """Columns over samples; a sample's id is its row. Rows are added by one thread and completed by any.

    Memory is reserved, not touched, so a generous ``capacity`` costs nothing, while growing stalls the issue thread.
    """

    def __init__(self, capacity: int = 0, *, touched: bool = False) -> None:
        """Reserve memory.

        Args:
            capacity: samples that are expected.
            touched: have the memory now, not page by page: where one query is under way at a time, the one in a
                hundred that needs new pages would be the slowest.
        """
        self.issued = 0
        """Samples issued so far."""
        self.completed = 0
        """Samples done so far, failed ones included."""
        self.started_unix = time.time()
        """Wall time of the first issue, in seconds since 1970."""
        self._lock = threading.Lock()
        self._capacity = min(max(capacity, _SMALLEST), _LARGEST)
        self._use(*(np.zeros(self._capacity, np.int64) for _ in _COLUMNS))
        if touched:
            for column in (self.loadgen_id, self.index, self.issue_ns, self.complete_ns):
                column[:_TOUCHED] = 0

    def _use(self, *columns: Integers) -> None:
        self.loadgen_id, self.index, self.issue_ns, self.complete_ns, self.first_token_ns, self.token_count = columns
        # One element goes in and out of the memoryview below an array four times faster than of the array.
        self._loadgen_id = self.loadgen_id.data
        self._index = self.index.data
        self._issue_ns = self.issue_ns.data
        self._complete_ns = self.complete_ns.data

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first issue."""
        return (monotonic_ns() - self._issue_ns[0]) / 1e9 if self.issued else 0.0

    def append(self, loadgen_ids: Sequence[int], indices: Sequence[int], now: int | None = None) -> None:
        """Add samples that LoadGen issues; sequences of one length. ``now``: monotonic time, in ns, if not this one."""
        now = now or monotonic_ns()
        first = self.issued
        if not first:
            self.started_unix = time.time()
        stop = first + len(indices)
        if stop > self._capacity:
            self._grow(stop)
        if stop == first + 1:
            self._loadgen_id[first] = loadgen_ids[0]
            self._index[first] = indices[0]
            self._issue_ns[first] = now
        else:
            count = stop - first
            # Twice as fast as assigning the list.
            self.loadgen_id[first:stop] = np.fromiter(loadgen_ids, np.int64, count)
            self.index[first:stop] = np.fromiter(indices, np.int64, count)
            self.issue_ns[first:stop] = now
            # The pages are had with the query's other ones, so that memory does not grow while it is answered.
            self.complete_ns[first:stop] = 0
        self.issued = stop

    def _grow(self, needed: int) -> None:
        with self._lock:
            self._capacity = max(needed, 2 * self._capacity)
            grown = [np.zeros(self._capacity, np.int64) for _ in _COLUMNS]
            for name, column in zip(_COLUMNS, grown, strict=True):
                column[: self.issued] = getattr(self, name)[: self.issued]
            self._use(*grown)

    def complete(self, ids: Integers, token_counts: Integers | None = None, *, first_token: bool = False) -> str | None:
        """Mark samples as done now.

        Args:
            ids: shape [n], n of 1 or more.
            token_counts: output tokens of each, shape [n].
            first_token: whether each must have had its first token before.

        Returns:
            None, or what is wrong as a sentence; nothing is marked then.
        """
        now = monotonic_ns()
        if len(ids) == 1:
            (one,) = ids.tolist()
            with self._lock:
                if not 0 <= one < self.issued:
                    return f"Sample {one} was completed, but never issued."
                if self._complete_ns[one]:
                    return f"Sample {one} was completed twice."
                if first_token and not self.first_token_ns[one]:
                    return f"Sample {one} was completed without its first token."
                if token_counts is not None:
                    self.token_count[one] = token_counts[0]
                self._complete_ns[one] = now
                self.completed += 1
            return None
        ordered = ids if bool((ids[1:] > ids[:-1]).all()) else np.sort(ids)
        with self._lock:
            if ordered[0] < 0 or ordered[-1] >= self.issued:
                return f"Sample {int(ordered[0] if ordered[0] < 0 else ordered[-1])} was completed, but never issued."
            if ordered is not ids and (ordered[1:] == ordered[:-1]).any():
                return f"Sample {int(ordered[1:][ordered[1:] == ordered[:-1]][0])} was completed twice, in one call."
            done = self.complete_ns[ids]
            if done.any():
                return f"Sample {int(ids[done.argmax()])} was completed twice."
            if first_token and not self.first_token_ns[ids].all():
                return f"Sample {int(ids[self.first_token_ns[ids].argmin()])} was completed without its first token."
            if token_counts is not None:
                self.token_count[ids] = token_counts
            self.complete_ns[ids] = now
            self.completed += len(ids)
        return None

    def complete_last(self, count: int, now: int) -> None:
        """Mark the samples issued last as done at a monotonic time, in ns, where nobody else can have done so."""
        stop = self.issued
        if count == 1:
            self._complete_ns[stop - 1] = now
        else:
            self.complete_ns[stop - count : stop] = now
        self.completed += count

    def first_token(self, ids: Integers) -> str | None:
        """Mark samples as having their first token now; returns what is wrong as ``complete`` does."""
        now = monotonic_ns()
        # Most come one by one, for which sorting is half of the cost.
        ordered = ids if len(ids) == 1 else np.sort(ids)
        with self._lock:
            if ordered[0] < 0 or ordered[-1] >= self.issued:
                stranger = int(ordered[0] if ordered[0] < 0 else ordered[-1])
                return f"Sample {stranger} has a first token, but was never issued."
            early = self.first_token_ns[ids]
            if early.any() or (ordered[1:] == ordered[:-1]).any():
                return f"The first token of sample {int(ids[early.argmax()])} or of one beside it was reported twice."
            done = self.complete_ns[ids]
            if done.any():
                return f"The first token of sample {int(ids[done.argmax()])} came after its completion."
            self.first_token_ns[ids] = now
        return None

    def close(self, ids: Integers) -> tuple[Integers, Integers]:
        """Mark as done those of ``ids`` that are issued and open.

        Returns:
            Their ids, and the ids of those among them that had no first token.
        """
        now = monotonic_ns()
        with self._lock:
            known = np.sort(ids[(ids >= 0) & (ids < self.issued)])
            known = known[np.diff(known, prepend=-1) > 0]
            still_open: Integers = known[self.complete_ns[known] == 0]
            self.complete_ns[still_open] = now
            self.completed += len(still_open)
            return still_open, still_open[self.first_token_ns[still_open] == 0]

    def token_latencies(self) -> tuple[int | None, int | None]:
        """99th percentiles so far, in ns: TTFT, and TPOT of the answers of two tokens or more; None where none is.

        Of a few thousand samples spread over all: for people who watch, and cheap however long the run is.
        """
        with self._lock:
            rows = slice(0, self.issued, 1 + self.issued // _LOOKED_AT)
            issue, complete = self.issue_ns[rows].copy(), self.complete_ns[rows].copy()
            first, counts = self.first_token_ns[rows].copy(), self.token_count[rows].copy()
        begun = first > 0
        ended = begun & (complete > 0) & (counts > 1)
        return _p99((first - issue)[begun]), _p99((complete - first)[ended] / (counts[ended] - 1))

    def loadgen_ids(self, ids: Integers) -> list[int]:
        """LoadGen's own ids of samples."""
        return [self._loadgen_id[ids.item()]] if len(ids) == 1 else self.loadgen_id[ids].tolist()

    def save(self, path: Path) -> None:
        """Write samples.npz, whole or not at all.

        Arrays, one row a sample in the order of issue: ``index``, ``issue_ns``, ``complete_ns``, and where the runner
        reported them ``first_token_ns`` and ``token_count``; int64, times relative to the first issue. The scalar
        ``started_unix`` is the wall time of the first issue.

        Raises:
            OSError: on a full disk and the like.
        """
        rows = slice(0, self.issued)
        start = int(self.issue_ns[0]) if self.issued else 0
        columns: dict[str, Any] = {
            "index": self.index[rows],
            "issue_ns": self.issue_ns[rows] - start,
            "complete_ns": self.complete_ns[rows] - start,
        }
        if self.first_token_ns[rows].any():
            columns["first_token_ns"] = self.first_token_ns[rows] - start
        if self.token_count[rows].any():
            columns["token_count"] = self.token_count[rows]
        content = io.BytesIO()
        np.savez(content, started_unix=np.float64(self.started_unix), **columns)
        write_bytes(path, content.getvalue())


def _p99(times: npt.NDArray[Any]) -> int | None:
    return int(np.percentile(times, 99)) if len(times) else None
