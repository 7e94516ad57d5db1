"""EdgeLlmCore: one engine of TensorRT Edge-LLM in this process, with its in-flight batching.

A thread for each request under way: it waits for tokens in native code, where Python's lock is free.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from harness.backends.tensorrt_edgellm.check import require_no_shortest
from harness.backends.tensorrt_edgellm.library import load_runtime
from harness.backends.tensorrt_edgellm.prompt import raw_prompt, special_tokens
from harness.backends.tensorrt_edgellm.record import EngineRecord
from harness.llm.core import Listener
from harness.llm.request import Generation, Request
from mlperf_registry.schema.problem import ConfigError, Problem, RunFailed, problems_in

IGNORE_EOS = "EDGELLM_IGNORE_EOS"
"""The runtime has no other switch for it."""
_WAITING = 2
"""Requests held for each that can decode: a seat that comes free is taken at the next step."""
_POLL_MS = 200
_INTERVAL = 32
"""Tokens between two reports where answers do not stream: often enough for a progress line."""


class EdgeLlmCore:
    """One engine on the first GPU that CUDA shows."""

    def __init__(self, folder: Path, record: EngineRecord, *, cuda_graphs: bool = True) -> None:
        self._folder, self._record, self._cuda_graphs = folder, record, cuda_graphs
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._engine: Any = None

    @property
    def name(self) -> str:
        """See Core."""
        return "TensorRT Edge-LLM"

    @property
    def capacity(self) -> int:
        """See Core."""
        return _WAITING * self._record.max_batch_size

    @property
    def longest(self) -> int:
        """See Bounded. Such that no prompt is longer than the engine's, whatever room there is for its answer."""
        return min(self._record.max_kv_cache_capacity, self._record.max_input_len + self._generation.max_tokens)

    def open(self, generation: Generation, listener: Listener) -> None:
        """See Core.

        Raises:
            ConfigError: for a way to make answers that the runtime does not have.
            NotReady: as ``load_runtime``, or when the engine has no tokeniser.
            RunFailed: when the engine does not load.
        """
        _require_possible(generation, self._record)
        self._generation, self._listener = generation, listener
        self._special = special_tokens(self._folder)
        if generation.ignore_eos:
            os.environ[IGNORE_EOS] = "1"
        self._runtime = runtime = load_runtime()
        cache = runtime.ContextCacheConfig()
        cache.enabled = False  # MLPerf forbids to keep what one prompt has in common with another
        try:
            self._engine = runtime.RequestEngine(
                str(self._folder),
                context_cache_config=cache,
                max_batch_size=self._record.max_batch_size,
                max_pending_requests=self.capacity,
                command_queue_capacity=2 * self.capacity,  # each may be submitted and cancelled
                capture_cuda_graph=self._cuda_graphs,
            )
        except RuntimeError as error:
            raise RunFailed(f"TensorRT Edge-LLM does not load {self._folder}: {error}") from error
        self._threads = [
            threading.Thread(target=self._work, name=f"edgellm-{number}", daemon=True)
            for number in range(self.capacity)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core."""
        for request in requests:
            self._requests.put(request)

    def close(self) -> None:
        """See Core."""
        self._closing.set()
        if self._engine is not None:
            self._engine.shutdown(self._runtime.ShutdownMode.CANCEL)
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()
        self._engine = None

    def _work(self) -> None:
        while (request := self._requests.get()) is not None and not self._closing.is_set():
            try:
                self._answer(request)
            except Exception as error:  # an exception would end the thread, and leave LoadGen waiting for the answer
                if not self._closing.is_set():
                    self._listener.fail([request.id], f"{self.name} failed: {error}")

    def _answer(self, request: Request) -> None:
        refusal = _refusal(request, self._generation, self._record)
        if refusal is not None:
            self._listener.fail([request.id], refusal)
            return
        channel = self._runtime.StreamChannel.create()
        channel.set_stream_interval(1 if self._generation.streaming else _INTERVAL)
        handle = self._engine.submit(self._native(request, channel))
        reasons = self._runtime.FinishReason
        tokens: list[int] = []
        for chunk in self._chunks(channel, handle):
            found = chunk.prompt_token_count
            if 0 <= found != len(request.prompt):
                handle.cancel()
                self._listener.fail([request.id], _other_tokens(found, len(request.prompt)))
                return
            if new := list(chunk.token_ids):
                if not tokens and self._generation.streaming:
                    self._listener.first_token([request.id], [np.array(new, np.int32)])
                self._listener.progress(len(new))
                tokens += new
            if chunk.finished:
                if chunk.reason in (reasons.ERROR, reasons.CANCELLED):
                    break
                self._listener.finish([request.id], [np.array(tokens, np.int32)])
                return
        if not self._closing.is_set():
            handle.get()  # raises what went wrong
            raise RuntimeError(f"an answer broke off after {len(tokens)} tokens")

    def _chunks(self, channel: Any, handle: Any) -> Iterator[Any]:
        """What comes of an answer, until it ends or the engine gives it up."""
        while not self._closing.is_set():
            ended = channel.is_finished() or channel.is_cancelled() or handle.ready()
            chunk = channel.wait_pop(0 if ended else _POLL_MS)
            if chunk is not None:
                yield chunk
            elif ended:
                return

    def _native(self, request: Request, channel: Any) -> Any:
        generation, runtime = self._generation, self._runtime
        assert request.text is not None
        text = raw_prompt(request.text, request.prompt, self._special)
        one = runtime.Request(messages=[runtime.create_text_message("user", text)])
        if generation.seed is not None:
            one.sampling_seed = generation.seed
        native = runtime.LLMGenerationRequest()
        native.requests = [one]
        native.stream_channels = [channel]
        native.apply_chat_template = False
        native.max_generate_length = generation.max_tokens
        greedy = generation.temperature == 0 or generation.top_k == 1
        native.temperature = 1.0 if greedy else generation.temperature
        native.top_k = 1 if greedy else generation.top_k
        native.top_p = 1.0 if greedy else generation.top_p
        return native


def _require_possible(generation: Generation, record: EngineRecord) -> None:
    problems = [*problems_in(lambda: require_no_shortest(generation.min_tokens))]
    unknown = set(generation.stop_token_ids) - set(record.eos_token_ids)
    if unknown and not generation.ignore_eos:
        message = (
            f"has {', '.join(map(str, sorted(unknown)))}, which the engine does not stop at: its config.json has "
            f"eos_token_id {list(record.eos_token_ids)}"
        )
        problems.append(Problem("benchmark.options.stop_token_ids", message, hint="add them there"))
    if problems:
        raise ConfigError(problems)


def _refusal(request: Request, generation: Generation, record: EngineRecord) -> str | None:
    length = len(request.prompt)
    if request.text is None:
        return "TensorRT Edge-LLM takes prompts as text, and the data set has none."
    if length > record.max_input_len:
        return (
            f"A prompt has {length} tokens, and the engine takes {record.max_input_len}: raise "
            "llm.trtllm_build_flags.max_input_len."
        )
    if length + generation.max_tokens > record.max_kv_cache_capacity:
        return (
            f"A prompt of {length} tokens and an answer of {generation.max_tokens} do not fit into the engine's "
            f"{record.max_kv_cache_capacity}: raise llm.trtllm_build_flags.max_seq_len."
        )
    return None


def _other_tokens(found: int, wanted: int) -> str:
    return (
        f"The engine's tokeniser makes {found} tokens of a prompt that has {wanted} in the data set: the engine was "
        "built from another model than model.tokenizer_path belongs to."
    )
