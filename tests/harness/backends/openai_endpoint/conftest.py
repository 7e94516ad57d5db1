"""What tests of openai_endpoint share: the modules beside them, and clients of a scripted server."""

from __future__ import annotations

import pytest
from asking import Heard, requests
from scripted_server import MODEL

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.client import Client
from harness.backends.openai_endpoint.exchange import Limits
from harness.backends.openai_endpoint.interface import Interface
from harness.llm.request import Generation


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
            generation=Generation(**{"max_tokens": 8, "streaming": streaming, **more.pop("limits", {})}),
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
