"""Requests to ask a server with, and a Listener that keeps what it hears."""

from __future__ import annotations

import threading

import numpy as np

from harness.llm.request import Request


class Heard:
    """A Listener that keeps what it hears; ``wait`` until so many requests have ended."""

    def __init__(self):
        self.first, self.outputs, self.failed, self.tokens = {}, {}, {}, 0
        self.ends = []
        self._changed = threading.Condition()

    def first_token(self, ids, tokens):
        with self._changed:
            for id_, some in zip(ids, tokens, strict=True):
                assert id_ not in self.first and id_ not in self.ends
                self.first[id_] = some.tolist()

    def progress(self, tokens):
        self.tokens += tokens

    def finish(self, ids, outputs):
        with self._changed:
            for id_, output in zip(ids, outputs, strict=True):
                assert output.dtype == np.int32
                self.outputs[id_] = output.tolist()
            self._end(ids)

    def fail(self, ids, reason):
        with self._changed:
            self.failed.update(dict.fromkeys(ids, reason))
            self._end(ids)

    def _end(self, ids):
        self.ends += ids
        self._changed.notify_all()

    def wait(self, count, seconds=10):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ends) >= count, seconds), (self.ends, self.failed)
        assert len(set(self.ends)) == len(self.ends) == count, "a request ended twice"


def requests(count, first=0):
    return [Request(number, np.array([1000 + number, 5, 7], np.int32)) for number in range(first, first + count)]
