"""Simulated engines of language models: continuous batching at a token a step, and every way to report wrongly.

What an answer must be is a function of the sample's index alone, which is the first token of its prompt.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np

from harness.benchmarks.dataset import Ragged
from harness.llm.runner import LLMRunner
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed

TOTAL = 500


def answer(index):
    """The tokens that sample ``index`` must be answered with: two to seven."""
    return np.arange(100 * index, 100 * index + index % 6 + 2, dtype=np.int32)


def prompt(index):
    """Tokens of sample ``index``: one to seven, the first of which names it."""
    return np.array([index, *range(index * 5 % 7)], np.int32)


class SimulatedPrompts:
    """500 prompts, with their text."""

    def __len__(self):
        return TOTAL

    def load(self, indices):
        texts = [np.frombuffer(f"prompt {index}, ä".encode(), np.uint8) for index in indices.tolist()]
        return {"input_ids": _ragged([prompt(index) for index in indices.tolist()]), "text": _ragged(texts)}


def _ragged(rows):
    return Ragged(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))


class SimulatedCore:
    """Generates a token of each running request a step, up to ``slots`` of them at a time.

    ``fault`` strikes requests whose number leaves 19 when divided by 20, but for those that strike the whole core.
    """

    def __init__(self, name="core", *, capacity=None, slots=16, step_s=0.0, fault=None, at_once=False, longest=None):
        self.name = name
        self.capacity = capacity
        self.longest = longest
        self.opened, self.closed = 0, 0
        self.most = 0
        self.shares = []
        self._slots, self._step_s, self._fault = slots, step_s, fault
        self._at_once = at_once
        self._waiting = deque()
        self._running = {}
        self._changed = threading.Condition()
        self._thread = None

    def open(self, generation, listener):
        self.opened += 1
        if self._fault == "not ready":
            raise NotReady(f"{self.name} lacks its model.")
        if self._fault == "misconfigured":
            raise ConfigError([Problem("llm.gpu_rank_map", "gives a GPU to two instances")])
        self.generation = generation
        self._listener = listener
        if not self._at_once:
            self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
            self._thread.start()

    def submit(self, requests):
        if self._fault == "dead":
            raise RunFailed(f"{self.name} has died.")
        for request in requests:
            assert request.prompt.tolist() == prompt(request.prompt[0]).tolist()
            assert request.text == f"prompt {request.prompt[0]}, ä"
        self.shares.append([request.id for request in requests])
        if self._at_once:
            for request in requests:
                self._begin([request])
                self._end([request])
            return
        with self._changed:
            self._waiting.extend(requests)
            self.most = max(self.most, len(self._waiting) + len(self._running))
            self._changed.notify()

    def close(self):
        self.closed += 1
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._running or self.closed)
                if self.closed:
                    return
                new = []
                while self._waiting and len(self._running) < self._slots:
                    request = self._waiting.popleft()
                    self._running[request.id] = [request, 0]
                    new.append(request)
            time.sleep(self._step_s)
            self._begin(new)
            if self._fault != "mute":
                self._listener.progress(len(self._running))
            ended = []
            for state in self._running.values():
                state[1] += 1
                if state[1] >= len(answer(state[0].prompt[0])):
                    ended.append(state[0])
            with self._changed:
                for request in ended:
                    del self._running[request.id]
            if ended:
                self._end(ended[::-1])

    def _begin(self, requests):
        if self.generation.streaming and requests:
            struck = [request for request in requests if self._struck(request)]
            if self._fault == "first token late":
                requests = [request for request in requests if request not in struck]
            self._listener.first_token(
                [request.id for request in requests], [answer(request.prompt[0])[:1] for request in requests]
            )
            if self._fault == "first token twice":
                self._listener.first_token([request.id for request in struck], [np.zeros(1, np.int32)] * len(struck))

    def _end(self, requests):
        if self._fault in ("silent", "mute"):
            return
        struck, sound = [], []
        for request in requests:
            (struck if self._struck(request) else sound).append(request)
        listener, ids = self._listener, [request.id for request in struck]
        self._finish(sound)
        if self._fault == "fails":
            listener.fail(ids, "The server answered 500.")
        elif self._fault == "empty":
            listener.finish(ids, [np.zeros(0, np.int32)] * len(ids))
        elif self._fault == "one token":
            listener.finish(ids, [np.zeros(1, np.int32)] * len(ids))
        elif self._fault == "short report" and ids:
            listener.finish(ids, [])
        elif self._fault == "stranger":
            listener.finish([1 << 40], [np.zeros(3, np.int32)])
            self._finish(struck)
        elif self._fault == "fails twice":
            listener.fail(ids, "The server answered 500.")
            listener.fail(ids, "The connection was reset.")
        elif self._fault == "fails after its answer":
            self._finish(struck)
            listener.fail(ids, "The connection was reset.")
        else:
            self._finish(struck)
            if self._fault == "twice":
                self._finish(struck)

    def _finish(self, requests):
        if requests:
            self._listener.finish(
                [request.id for request in requests], [answer(request.prompt[0]) for request in requests]
            )

    def _struck(self, request):
        return self._fault is not None and request.id % 20 == 19


class SimulatedLLM(LLMRunner):
    """A runner of given cores."""

    def __init__(self, cores):
        super().__init__()
        self.given = cores

    def cores(self, run):
        return self.given
