"""A server of OpenAI's completions without an engine: what a client costs is then all that is to be seen.

``python -m bench.instant_server``: prints its port, and serves until its standard input closes. Whole answers come at
once; of streams, one event each every STEP_S, as engines make them: what comes bunched is cheaper to read than it is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator

TOKENS = 128
"""Output tokens of every answer."""
STEP_S = 0.02
"""Time between two tokens of a stream."""
MODEL = "instant"


def _json(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _choice(text: str, ids: list[int], finish: str | None) -> dict[str, object]:
    # The form of vLLM's answers, with all the fields that a client must read past.
    return {
        "index": 0,
        "text": text,
        "logprobs": None,
        "finish_reason": finish,
        "stop_reason": None,
        "token_ids": ids,
        "prompt_token_ids": None,
    }


def _answer(choices: list[dict[str, object]], usage: dict[str, int] | None) -> bytes:
    frame = {"id": f"cmpl-{'0' * 32}", "object": "text_completion", "created": 1_763_800_000, "model": MODEL}
    return json.dumps({**frame, "choices": choices, "usage": usage}, separators=(",", ":")).encode()


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 780, "total_tokens": 780 + TOKENS, "completion_tokens": TOKENS}


def _events() -> Iterator[bytes]:
    for number in range(TOKENS):
        yield _answer([_choice(" word", [1000 + number], "length" if number == TOKENS - 1 else None)], None)
    yield _answer([], _usage())
    yield b"[DONE]"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


MODELS = _json(json.dumps({"object": "list", "data": [{"id": MODEL, "owned_by": "vllm"}]}).encode())
WHOLE = _json(_answer([_choice(" word" * TOKENS, list(range(1000, 1000 + TOKENS)), "length")], _usage()))
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = [_chunk(b"data: %s\n\n" % event) for event in _events()] + [b"0\r\n\r\n"]


class _Connection(asyncio.Protocol):
    """Requests of one connection, one after another."""

    def __init__(self) -> None:
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._held[:end].lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if len(self._held) < end + 4 + length:
            return
        body, self._held = self._held[end + 4 :], b""
        if not length:
            self._transport.write(MODELS)
        elif b'"stream": true' in body or b'"stream":true' in body:
            self._transport.write(STREAM_HEAD)
            asyncio.get_running_loop().call_later(STEP_S, self._next, iter(STREAM))
        else:
            self._transport.write(WHOLE)

    def _next(self, events: Iterator[bytes]) -> None:
        event = next(events, None)
        if event is not None and not self._transport.is_closing():
            self._transport.write(event)
            asyncio.get_running_loop().call_later(STEP_S, self._next, events)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
