"""VllmCore: one vLLM engine, fed by whoever submits and read by a thread of its own.

It does what ``vllm.LLM.generate`` does and nothing more for each token: prompts go in as token ids, no text is made,
and a request reports when it ends, and where answers stream also when it begins.

No lock stands between the two threads, since one would hold requests back for the length of a step. vLLM's socket is
not made for two, and ``step`` uses it only to abort answers at stop strings: requests here have none, and one answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.backends.vllm import library
from harness.llm.core import Listener, tell
from harness.llm.request import Generation, Request, Tokens
from mlperf_registry.schema.problem import RunFailed

_COMPLETE = ("stop", "length", "repetition")
"""Reasons of vLLM's to end an answer that make it one."""
_HEARTBEAT_S = 1.0

MakeEngine = Callable[[Generation], Any]


class VllmCore:
    """A Core.

    Args:
        name: see Core.
        make_engine: loads the engine, see ``library.make_engine``.
        owned: whether the engine ends with this core.
    """

    capacity: int | None = None
    """vLLM queues what it cannot run yet."""

    def __init__(self, name: str, make_engine: MakeEngine, *, owned: bool = True) -> None:
        self.name = name
        self._make_engine = make_engine
        self._owned = owned
        self.longest: int | None = None
        """See Bounded: where vLLM, told nothing else, would cut an answer short."""
        self._engine: Any = None
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._pending: dict[int, Tokens | None] = {}
        """Requests under way, and what each has said so far."""
        self._dead: str | None = None
        self._thread: threading.Thread | None = None

    def open(self, generation: Generation, listener: Listener) -> None:
        """See Core; takes minutes."""
        self._engine = self._make_engine(generation)
        self.longest = library.longest(self._engine)
        self._params = library.sampling_params(generation)
        self._streaming = generation.streaming
        self._listener = listener
        self._thread = threading.Thread(target=self._read, name=f"vllm {self.name}", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch, name=f"vllm {self.name} watch", daemon=True).start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core. A prompt that vLLM refuses fails by itself.

        Raises:
            RunFailed: when the engine has died.
        """
        for request in requests:
            with self._arrived:  # an engine that dies now fails this one too, or is seen here
                if self._dead is not None:
                    raise RunFailed(self._dead)
                self._pending[request.id] = None
            try:
                prompt = library.tokens_input(request.prompt.tolist())
                self._engine.add_request(str(request.id), prompt, self._params)
            except ValueError as error:
                with self._arrived:
                    failed = request.id not in self._pending
                    self._pending.pop(request.id, None)
                if not failed:
                    self._listener.fail([request.id], f"vLLM refused a prompt: {error}")
            except Exception as error:  # the engine's process is gone
                self._die(error)
            with self._arrived:
                self._arrived.notify()

    def close(self) -> None:
        """See Core. What is still under way is given up."""
        self._closing.set()
        with self._arrived:
            self._arrived.notify()
        if self._engine is not None and self._owned:
            library.end(self._engine)
        if self._thread is not None:
            # Where requests were under way the thread waits inside vLLM for ever, and ends with the process.
            self._thread.join(timeout=0 if self._pending else 5)

    def _read(self) -> None:
        engine = self._engine
        while not self._closing.is_set():
            with self._arrived:
                while not engine.has_unfinished_requests() and not self._closing.is_set():
                    self._arrived.wait()
            if self._closing.is_set():
                return
            try:
                self._report(engine.step())
            except Exception as error:
                if not self._closing.is_set():
                    self._die(error)
                return

    def _report(self, outputs: Sequence[Any]) -> None:
        begun: dict[int, Tokens] = {}
        ended: dict[int, Tokens] = {}
        came = 0
        for output in outputs:
            number, answer = int(output.request_id), output.outputs[0]
            if number not in self._pending:
                continue
            tokens = np.array(answer.token_ids, np.int32)
            came += len(tokens)
            before = self._pending[number]
            if before is None and self._streaming and len(tokens):
                begun[number] = tokens
            if not output.finished:
                self._pending[number] = tokens if before is None else np.concatenate((before, tokens))
                continue
            del self._pending[number]
            if answer.finish_reason in _COMPLETE:
                ended[number] = tokens if before is None else np.concatenate((before, tokens))
            else:
                begun.pop(number, None)
                self._listener.fail([number], f"vLLM ended a request with {answer.finish_reason!r}.")
        tell(self._listener, begun=begun, came=came, ended=ended)

    def _watch(self) -> None:
        # A process that was killed says nothing, and the thread that reads would wait for it.
        while not self._closing.wait(_HEARTBEAT_S):
            if library.is_dead(self._engine):
                self._die(RuntimeError("its process ended"))
                return

    def _die(self, error: Exception) -> None:
        with self._arrived:
            if self._dead is not None:
                return
            self._dead = f"The vLLM engine on {self.name} has stopped: {error}"
            lost = list(self._pending)
            self._pending.clear()
        if lost:
            self._listener.fail(lost, self._dead)
