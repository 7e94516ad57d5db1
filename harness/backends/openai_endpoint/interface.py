"""Interface: which of a server's APIs is called, how a request is written for it, and how its answers are read.

OpenAI's API has neither token ids in answers nor half of the limits that MLPerf sets; each kind of server adds its own.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator
from typing import Any, Literal

import attrs

from harness.llm.request import Generation, Request

Api = Literal["tokens", "completions", "text", "chat"]
"""vLLM's token ids in and out; OpenAI's completions with prompts as token ids, or as text; its chat."""
Kind = Literal["vllm", "tensorrt_llm", "llama_cpp", "openai"]
"""Who made the server; ``openai`` for one that keeps to OpenAI's words."""

PATHS: dict[Api, str] = {
    "tokens": "/inference/v1/generate",
    "completions": "/v1/completions",
    "text": "/v1/completions",
    "chat": "/v1/chat/completions",
}
KINDS: dict[str, Kind] = {"vllm": "vllm", "tensorrt_llm": "tensorrt_llm", "llamacpp": "llama_cpp"}
"""What servers call themselves in the ``owned_by`` of their models."""
TOLD_ENDS: tuple[Kind, ...] = ("vllm", "tensorrt_llm")
"""Those that can be told at which tokens an answer ends."""

_FINAL_ONLY = 2
"""vLLM's RequestOutputKind of an answer that is built once, at its end."""


@attrs.frozen
class Envelope:
    """The JSON of a request but for its prompt."""

    before: bytes
    after: bytes
    api: Api
    salts: Iterator[bytes] | None = None
    """Ends of requests that set each apart, for servers that would take over the KV cache of an earlier one like it."""

    def body(self, request: Request) -> bytes:
        """The JSON of a request.

        Raises:
            ValueError: when the API takes text and the data set has none; a sentence.
        """
        if self.api in ("tokens", "completions"):
            ids = request.prompt.tolist()
            prompt = "[" + ("%d," * len(ids) % tuple(ids))[:-1] + "]"  # in three quarters of json.dumps's time
        elif request.text is None:
            raise ValueError("The server is sent prompts as text, and the data set has token ids only.")
        elif self.api == "text":
            prompt = json.dumps(request.text)
        else:
            prompt = json.dumps([{"role": "user", "content": request.text}])
        if self.salts is None:
            return self.before + prompt.encode() + self.after
        return self.before + prompt.encode() + self.after + next(self.salts)


@attrs.frozen(kw_only=True)
class Interface:
    """Everything that is the same for all requests to a server."""

    api: Api
    kind: Kind
    model: str
    """The name under which the server has it."""
    generation: Generation
    tokenizer: str | None = None
    """tokenizer.json that makes token ids of answers; None: the server sends ids."""

    @property
    def path(self) -> str:
        """Path of the API."""
        return PATHS[self.api]

    @property
    def streams(self) -> bool:
        """Whether answers come as streams: for their first tokens, or since they may be long."""
        return self.generation.in_pieces

    def envelope(self) -> Envelope:
        """What is around the prompt in every request."""
        key = {"tokens": "token_ids", "chat": "messages"}.get(self.api, "prompt")
        before, rest = b'{"%s": ' % key.encode(), json.dumps({"model": self.model, **self._limits()})[1:].encode()
        if self.kind != "vllm":
            return Envelope(before, b", " + rest, self.api)
        return Envelope(before, b", " + rest[:-1], self.api, _salts())

    def _limits(self) -> dict[str, Any]:
        wanted = self.generation
        stream: dict[str, Any] = {"stream": self.streams}
        if self.streams:
            stream["stream_options"] = {"include_usage": True}
        sampling: dict[str, Any] = {
            "max_tokens": wanted.max_tokens,
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            **({} if wanted.seed is None else {"seed": wanted.seed}),
        }
        if self.kind == "openai":
            if wanted.top_k == 1:
                sampling["temperature"] = 0.0
            return {**sampling, **stream}
        # Said even where it is the default: a server takes what is not said from the model's generation_config.json.
        sampling |= {"top_k": wanted.top_k, "min_p": 0.0, "ignore_eos": wanted.ignore_eos}
        if self.kind == "llama_cpp":
            return {**sampling, "repeat_penalty": 1.0, "cache_prompt": False, **stream}
        sampling |= {
            "repetition_penalty": 1.0,
            "min_tokens": wanted.min_tokens,
            "stop_token_ids": list(wanted.stop_token_ids),
        }
        if self.api == "tokens":
            if not self.streams:
                sampling["output_kind"] = _FINAL_ONLY
            return {"sampling_params": {**sampling, "detokenize": False}, **stream}
        asks_ids = {"return_token_ids": True} if self.kind == "vllm" else {"detokenize": False}
        return {**sampling, **({} if self.tokenizer else asks_ids), **stream}

    def unkept(self) -> str | None:
        """A limit of the generation that this kind of server cannot be told, as a sentence; None: it keeps them all."""
        wanted = self.generation
        if self.kind in TOLD_ENDS:
            return None
        if wanted.min_tokens > 1:
            return (
                f"It cannot be told to make {wanted.min_tokens} tokens at least (benchmark.options.min_output_tokens)."
            )
        if self.kind == "openai" and wanted.ignore_eos:
            return "It cannot be told to go on after the model's end token (benchmark.options.ignore_eos)."
        if self.kind == "openai" and wanted.top_k > 1:
            return f"It cannot be told to sample from {wanted.top_k} tokens (benchmark.options.top_k)."
        if wanted.stop_token_ids:
            tokens = ", ".join(map(str, wanted.stop_token_ids))
            return (
                f"It cannot be told to end answers at the tokens {tokens} (benchmark.options.stop_token_ids). That its "
                "model ends them there of itself, and nowhere else, is seen where model.path lies here; else say so: "
                "benchmark.options.stop_token_ids=[]."
            )
        return None


def _salts() -> Iterator[bytes]:
    run = secrets.token_hex(8).encode()
    return (b', "cache_salt": "%s-%d"}' % (run, number) for number in itertools.count())
