"""What tests of openai_endpoint share: the modules beside them, and clients of a scripted server."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE))
sys.path.append(str(HERE.parents[1] / "loadgen"))
sys.path.append(str(HERE.parents[1] / "llm"))

from scripted_server import MODEL

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.client import Client, Limits
from harness.backends.openai_endpoint.interface import Interface
from harness.llm.request import Generation, Request


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


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def ask():
    """Send requests to a server and wait for their ends: ``ask(server, count, **) -> (Heard, Counts)``."""

    def ask(server, count=1, *, streaming=True, retries=2, connections=16, silence_s=5.0, api="completions", **more):
        heard = Heard()
        interface = Interface(
            api=api,
            kind=more.pop("kind", "vllm"),
            model=MODEL,
            generation=Generation(max_tokens=8, streaming=streaming, **more.pop("limits", {})),
        )
        limits = Limits(connections=connections, retries=retries, silence_s=silence_s)
        client = Client(Address.parse(server.url), interface, limits, heard, **more)
        try:
            client.submit(requests(count))
            heard.wait(count)
        finally:
            client.close()
        return heard, client.counts

    return ask
