"""A core for another process: answers at once, or does what its options say."""

from __future__ import annotations

import os
import signal

import numpy as np


class AnsweringCore:
    """Answers a request with its prompt and the limit of its answer."""

    name = "there"

    def __init__(self, capacity=None, longest=None, refuses=None, dies=False, answers=True, breaks=None):
        self.capacity = capacity
        if longest is not None:
            self.longest = longest
        self._refuses, self._dies, self._answers, self._breaks = refuses, dies, answers, breaks

    def open(self, generation, listener):
        assert os.environ["MLPERF_TEST_OF_A_CORE"] == "seen"
        if self._refuses is not None:
            raise self._refuses
        if self._dies:
            os.kill(os.getpid(), signal.SIGKILL)
        self._generation, self._listener = generation, listener

    def submit(self, requests):
        if self._breaks is not None:
            raise self._breaks
        if self._answers:
            assert all(request.text == f"prompt {request.id}" for request in requests)
            answers = [np.array([*request.prompt, self._generation.max_tokens], np.int32) for request in requests]
            self._listener.progress(2 * len(answers))
            self._listener.finish([request.id for request in requests], answers)

    def close(self):
        pass
