"""A simulated engine and its data: two devices, answers out of order, first tokens, and every way to go wrong.

Imported by drive.py in a process of its own; what an answer must be is a function of the sample's index alone.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

import numpy as np

from harness.benchmarks.dataset import Ragged

TOTAL = 500


def expected_output(index, *, ragged):
    """The bytes that sample ``index`` must have in the accuracy log."""
    if ragged:
        return np.arange(index, index + length(index), dtype=np.int32).tobytes()
    return np.array([7 * index + 3, index], np.int64).tobytes()


def length(index):
    """Output length of a sample; with ``% 4`` some outputs are empty."""
    return index % 4


class SimulatedDataset:
    """500 samples with a rectangular and a ragged input; loading them may hang."""

    def __init__(self, fault=None):
        self._fault = fault

    def __len__(self):
        return TOTAL

    def load(self, indices):
        if self._fault == "load hangs":
            time.sleep(600)
        lengths = indices % 3 + 1
        return {
            "number": (7 * indices + 3).reshape(-1, 1),
            "tokens": Ragged(np.repeat(indices, lengths), np.concatenate(([0], np.cumsum(lengths)))),
        }


class SimulatedRunner:
    """Two devices of unequal speed, each completing the later half of a batch before the earlier one."""

    depth = 4

    def __init__(
        self, *, batching="harness", tokens=False, ragged=False, fault=None, latency_s=(0.0002, 0.0007), open_s=0.0
    ):
        self.batching = batching
        self._tokens = tokens
        self._ragged = ragged
        self._fault = fault
        self._latency_s = latency_s
        self._open_s = open_s
        self._seen = 0

    def open(self, run, qsl, sink):
        time.sleep(self._open_s)
        self._qsl, self._sink = qsl, sink
        self._limit = run.workload.builder.gpu_batch_size.only()
        self._queues = [SimpleQueue() for _ in self._latency_s]
        self._threads = [
            threading.Thread(target=self._work, args=(queue, latency))
            for queue, latency in zip(self._queues, self._latency_s, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, ids, indices):
        assert self.batching == "engine" or len(ids) <= self._limit
        self._seen += len(ids)
        if self._fault == "submit" and self._seen > 200:
            raise ValueError("no more room on the device")
        self._queues[self._seen % 2].put((ids, indices))

    def drain(self):
        if self._fault == "drain hangs":
            time.sleep(600)

    def close(self):
        if self._fault == "close hangs":
            time.sleep(600)
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, queue, latency):
        while (batch := queue.get()) is not None:
            ids, indices = batch
            time.sleep(latency)
            half = len(ids) // 2
            for part in (slice(half, None), slice(0, half)):
                if len(ids[part]):
                    self._answer(ids[part], indices[part])

    def _answer(self, ids, indices):
        order = np.random.default_rng(int(ids[0])).permutation(len(ids))
        ids, indices = ids[order], indices[order]
        number = self._qsl.gather("number", indices)
        tokens = self._qsl.gather("tokens", indices)
        assert all((tokens.row(i) == index).all() for i, index in enumerate(indices))
        if self._ragged:
            outputs = [np.arange(i, i + length(i), dtype=np.int32) for i in indices]
        else:
            outputs = np.concatenate((number, indices.reshape(-1, 1)), axis=1)
        counts = indices % 6 + 2 if self._tokens else None
        if self._tokens:
            self._sink.first_token(ids, indices.astype(np.int32).reshape(-1, 1))
        bad = ids % 50 == 49
        if self._fault == "fail" and bad.any():
            self._sink.fail(ids[bad], "The engine ran out of memory.")
            ids, outputs = ids[~bad], outputs[~bad]
        elif self._fault == "hang" and (ids >= 100).any():
            return
        elif self._fault == "double":
            self._sink.complete(ids, outputs, counts)
            outputs = outputs.copy()
        elif self._fault == "unknown":
            self._sink.complete(np.array([1 << 40]), outputs[:1], None)
        elif self._fault == "rows":
            outputs = outputs[:-1]
        elif self._fault == "no counts":
            counts = None
        self._sink.complete(ids, outputs, counts)
        outputs = None  # the buffer is the runner's again; LoadGen must not look at it any more
