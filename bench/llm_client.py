"""What asking a server over HTTP costs: requests and streamed tokens that one core's time is enough for.

The server is in a process of its own and has no engine, so the processor time of this process is the client's alone:
writing prompts of 780 token ids, reading answers of 128, and telling the harness.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from bench.instant_server import MODEL, TOKENS
from bench.measure import entry, interleaved
from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.core import EndpointCore, Wanted
from harness.backends.openai_endpoint.exchange import Limits
from harness.llm.request import Generation, Request, Tokens

PROMPT_TOKENS = 780
WHOLE_REQUESTS = 4000
STREAMED_REQUESTS = 512
CONNECTIONS = 256


class _Listener:
    """Counts ends."""

    def __init__(self, requests: int) -> None:
        self._left = requests
        self.done = threading.Event()
        self.failed: list[str] = []

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        pass

    def progress(self, tokens: int) -> None:
        pass

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        self._left -= len(ids)
        if self._left == 0:
            self.done.set()

    def fail(self, ids: Sequence[int], reason: str) -> None:
        self.failed.append(reason)
        self.done.set()


@contextmanager
def instant_server() -> Iterator[Address]:
    """The server, in a process of its own."""
    command = [sys.executable, "-m", "bench.instant_server"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            yield Address("127.0.0.1", int(server.stdout.readline()))
        finally:
            server.stdin.close()


def requests_a_second(requests: int, *, streaming: bool) -> float:
    """Requests answered in a second of this process's processor time."""
    rng = np.random.default_rng(0)
    prompts = rng.integers(0, 128_000, (requests, PROMPT_TOKENS), np.int32)
    listener = _Listener(requests)
    wanted = Wanted(
        benchmark=MODEL,
        model_path=None,
        model_name=MODEL,
        api="completions",
        kind="vllm",
        limits=Limits(connections=CONNECTIONS, retries=0, silence_s=30.0),
        processes=1,
        tokenizer=Path,
    )
    with tempfile.TemporaryDirectory() as folder, instant_server() as address:
        core = EndpointCore(address, wanted, record=Path(folder, "client.jsonl"))
        core.open(Generation(max_tokens=TOKENS, ignore_eos=True, streaming=streaming), listener)
        begun = process_time()
        core.submit([Request(number, prompt) for number, prompt in enumerate(prompts)])
        listener.done.wait()
        spent = process_time() - begun
        core.close()
    if listener.failed:
        raise RuntimeError(listener.failed[0])
    return requests / spent


def measure(pairs: int = 5) -> dict[str, Any]:
    """Entries of bench.json."""
    found = interleaved(
        lambda: requests_a_second(WHOLE_REQUESTS, streaming=False),
        lambda: TOKENS * requests_a_second(STREAMED_REQUESTS, streaming=True),
        pairs,
    )
    return {
        "llm_client_requests": entry(found.first, "requests/s a core"),
        "llm_client_tokens": entry(found.second, "tokens/s a core"),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
