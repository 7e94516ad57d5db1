"""TensorRTLLMCore: one ``LLM`` of TensorRT-LLM, its requests followed by an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.backends.tensorrt_llm import library
from harness.backends.tensorrt_llm.arguments import longest
from harness.llm.checkpoint import end_tokens
from harness.llm.core import Listener
from harness.llm.request import LONG_ANSWER, Generation, Request, Tokens

_COMPLETE = ("stop", "length", None)
"""Reasons of TensorRT-LLM's to end an answer that make it one; releases before 1.0 say none."""


class TensorRTLLMCore:
    """A Core.

    Args:
        name: see Core.
        model: folder of the checkpoint or engine.
        path: which of TensorRT-LLM's two ways to execute it.
        arguments: of its ``LLM``.
    """

    capacity: int | None = None
    """TensorRT-LLM queues what it cannot run yet."""

    def __init__(self, name: str, model: str, path: library.ExecutionPath, arguments: Mapping[str, Any]) -> None:
        self.name = name
        self._model = model
        self._path: library.ExecutionPath = path
        self._arguments = dict(arguments)
        self.longest: int | None = None
        """See Bounded: known where it was asked for, or built into an engine."""
        self._llm: Any = None
        self._thread: threading.Thread | None = None
        self._following: set[asyncio.Task[None]] = set()

    def open(self, generation: Generation, listener: Listener) -> None:
        """See Core; takes minutes."""
        self._listener = listener
        self._streaming = generation.in_pieces
        self._tells_first = generation.streaming
        arguments = dict(self._arguments)
        if self._streaming and self._path == "pytorch":
            arguments["stream_interval"] = min(generation.max_tokens + 1, LONG_ANSWER)
        self._llm = library.make_llm(self._model, self._path, arguments)
        self.longest = longest(self._arguments, Path(self._model))
        self._params = library.sampling_params(generation, end_tokens(Path(self._model)))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"tensorrt_llm {self.name}", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core."""
        self._loop.call_soon_threadsafe(self._begin, requests)

    def close(self) -> None:
        """See Core. What is still under way is given up."""
        if self._llm is not None:
            library.end(self._llm)
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)

    def _begin(self, requests: Sequence[Request]) -> None:
        # In the loop's thread: results are then queues that it can wait for.
        for request in requests:
            try:
                result = self._llm.generate_async(request.prompt.tolist(), self._params, streaming=self._streaming)
            except Exception as error:  # a prompt that is too long, or an executor that has ended
                self._listener.fail([request.id], f"TensorRT-LLM refused a request: {error}")
                continue
            task = self._loop.create_task(self._follow(request.id, result))
            self._following.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(self._following.discard)

    async def _follow(self, number: int, result: Any) -> None:
        try:
            tokens = await (self._stream(number, result) if self._streaming else self._whole(result))
        except Exception as error:
            self._listener.fail([number], f"TensorRT-LLM did not answer a request: {error}")
            return
        answer = result.outputs[0]
        if answer.finish_reason in _COMPLETE:
            self._listener.finish([number], [tokens])
        else:
            self._listener.fail([number], f"TensorRT-LLM ended a request with {answer.finish_reason!r}.")

    async def _whole(self, result: Any) -> Tokens:
        await result
        return np.array(result.outputs[0].token_ids, np.int32)

    async def _stream(self, number: int, result: Any) -> Tokens:
        told = 0
        async for _ in result:
            answer = result.outputs[0]
            count = len(answer.token_ids)
            if count and not told and self._tells_first:
                self._listener.first_token([number], [np.array(answer.token_ids[:count], np.int32)])
            if count > told:
                self._listener.progress(count - told)
                told = count
        return np.array(result.outputs[0].token_ids, np.int32)
