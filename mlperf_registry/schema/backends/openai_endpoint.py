"""Options of the backend openai_endpoint: how servers are asked, and which one is started for the run."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.knob import between, knob


@attrs.frozen(kw_only=True)
class OpenAIEndpointOptions:
    """``backend.options`` of ``openai_endpoint``. Servers that run already are named by ``llm.trtllm_server_urls``."""

    model_name: str | None = knob(
        "Name under which the server has the model; absent: the one of its models that is named as the benchmark is.",
        default=None,
    )
    api: Literal["auto", "tokens", "completions", "text", "chat"] = knob(
        "What is called: vLLM's token ids in and out, /v1/completions with prompts as token ids or as text, or "
        "/v1/chat/completions, where the server puts them into its own template; auto: the first that the server "
        "answers, chat excepted.",
        default="auto",
    )
    server: Literal["auto", "vllm", "tensorrt_llm", "llama_cpp", "openai"] = knob(
        "Whose words beyond OpenAI's the server knows; auto: as it says itself.", default="auto"
    )
    connections: int = knob(
        "Requests under way at a time with each server; others wait here.",
        unit="requests",
        check=between(1, 65_536),
        default=1024,
    )
    retries: int = knob(
        "How often a request is sent again that the server refused (502, 503) or that got no byte of an answer; one "
        "that a full server refused (429) is sent again until nothing was answered for timeout.",
        check=between(0, 100),
        default=3,
    )
    timeout: int = knob(
        "A request has failed whose answer gets no further for so long; or, before its first token, whose server "
        "answers nothing at all for so long.",
        unit="ms",
        check=between(1, bounds.MILLISECONDS),
        default=600_000,
    )
    client_processes: int = knob(
        "Processes that talk to each server; 1: a thread of the harness itself, enough for 50,000 streamed tokens/s.",
        unit="processes",
        check=between(1, 256),
        scales="never",
        default=1,
    )
    server_command: tuple[str, ...] = knob(
        "Program and arguments of a server to start for the run, with {port} and {model} in them; vllm, trtllm-serve "
        "and llama-server need no more than their name, and take further arguments after it. The whole command is the "
        "first line of server.log in the run's folder.",
        scales="never",
        default=(),
    )
