"""The native module, simulated: its classes take what the library's Python binding takes, and answer in its way.

A text is tokenised by character, ``<s>`` being one token of id 0. The answer to it repeats its tokens after the first.
What a prompt says makes it go wrong: ``error``, ``vanish``.
"""

from __future__ import annotations

import enum
import json
import threading
import time
from pathlib import Path
from typing import ClassVar

UNFIT = False
BOS = "<s>"
STEP_S = 0.0005


def tokenise(text):
    """Ids of a text."""
    return [0, *tokenise(text.removeprefix(BOS))] if text.startswith(BOS) else [ord(one) for one in text]


class FinishReason(enum.Enum):
    """Why an answer ended."""

    NOT_FINISHED = 0
    END_ID = 1
    LENGTH = 2
    CANCELLED = 3
    ERROR = 4
    STOP_WORDS = 5


class ShutdownMode(enum.Enum):
    """What becomes of requests under way."""

    DRAIN = 0
    CANCEL = 1


class SubmitError(RuntimeError):
    """The engine has too many requests."""


class LLMBuilderConfig:
    """Limits of an engine."""

    __slots__ = ("max_batch_size", "max_input_len", "max_kv_cache_capacity")


class LLMBuilder:
    """Builds an engine from ONNX."""

    def __init__(self, onnx_dir: Path, engine_dir: Path, config: LLMBuilderConfig):
        self.onnx_dir, self.engine_dir, self.config = onnx_dir, engine_dir, config

    def build(self) -> bool:
        """Whether there is an engine now."""
        if (self.onnx_dir / "model.onnx").read_text() == "broken":
            return False
        self.engine_dir.mkdir(parents=True, exist_ok=True)
        config = json.loads((self.onnx_dir / "config.json").read_text())
        config["builder_config"] = {name: getattr(self.config, name) for name in LLMBuilderConfig.__slots__}
        (self.engine_dir / "config.json").write_text(json.dumps(config))
        (self.engine_dir / "llm.engine").write_text("engine")
        (self.engine_dir / "tokenizer.json").write_bytes((self.onnx_dir / "tokenizer.json").read_bytes())
        return True


class ContextCacheConfig:
    """Reuse of what prompts have in common."""

    __slots__ = ("enabled", "max_records")


class Message:
    """One message."""

    __slots__ = ("contents", "role")


def create_text_message(role: str, text: str) -> Message:
    """A message of one text."""
    message = Message()
    message.role, message.contents = role, text
    return message


class Request:
    """One sequence."""

    __slots__ = ("messages", "sampling_seed", "stop_strings")

    def __init__(self, messages):
        self.messages, self.sampling_seed, self.stop_strings = messages, None, []


class LLMGenerationRequest:
    """What ``submit`` takes."""

    __slots__ = (
        "apply_chat_template",
        "max_generate_length",
        "requests",
        "stream_channels",
        "temperature",
        "top_k",
        "top_p",
    )


class StreamChunk:
    """Tokens that came together."""

    def __init__(self, token_ids, prompt_token_count, finished, reason):
        self.token_ids, self.prompt_token_count = token_ids, prompt_token_count
        self.finished, self.reason = finished, reason


class StreamChannel:
    """Where the tokens of one request come."""

    def __init__(self):
        self._ready, self._chunks = threading.Condition(), []
        self._finished = self._cancelled = False
        self.interval = 1

    @classmethod
    def create(cls):
        """A channel."""
        return cls()

    def set_stream_interval(self, n: int) -> None:
        """Tokens of a chunk."""
        self.interval = n

    def wait_pop(self, timeout_ms: int):
        """The next chunk, or None."""
        with self._ready:
            self._ready.wait_for(lambda: self._chunks or self._finished, timeout_ms / 1000)
            return self._chunks.pop(0) if self._chunks else None

    def is_finished(self) -> bool:
        """Whether nothing comes any more."""
        return self._finished

    def is_cancelled(self) -> bool:
        """Whether it was given up."""
        return self._cancelled

    def push(self, chunk) -> None:
        """The engine's side."""
        with self._ready:
            if chunk is not None:
                self._chunks.append(chunk)
            self._finished = chunk is None or chunk.finished
            self._ready.notify_all()


class RequestHandle:
    """A claim on one request."""

    def __init__(self):
        self._done, self._error, self.cancelled = threading.Event(), None, False

    def ready(self) -> bool:
        """Whether ``get`` returns at once."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Give it up."""
        self.cancelled = True

    def get(self):
        """The response; raises what went wrong."""
        self._done.wait()
        if self._error is not None:
            raise RuntimeError(self._error)

    def end(self, error=None) -> None:
        """The engine's side."""
        self._error = error
        self._done.set()


class RequestEngine:
    """Owns the runtime and the thread that drives it."""

    made: ClassVar[list] = []

    def __init__(
        self,
        engine_dir: str,
        multimodal_engine_dir: str = "",
        lora_weights_map=None,
        checkpoint_dir: str = "",
        context_cache_config=None,
        max_batch_size: int = 1,
        max_pending_requests: int = 256,
        command_queue_capacity: int = 64,
        capture_cuda_graph: bool = True,
    ):
        config = json.loads(Path(engine_dir, "config.json").read_text())
        if max_batch_size > config["builder_config"]["max_batch_size"]:
            raise RuntimeError("maxBatchSize may not exceed the engine's built batch dimension")
        self.graphs, self.reuse = capture_cuda_graph, context_cache_config.enabled
        self.seats, self.limit = max_batch_size, max_pending_requests
        self.native, self.most, self.decoded_together = [], 0, 0
        self._lock, self._waiting, self._resident = threading.Lock(), [], []
        self._ends = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        RequestEngine.made.append(self)

    def submit(self, request: LLMGenerationRequest) -> RequestHandle:
        """Queue a request."""
        with self._lock:
            if len(self._waiting) + len(self._resident) >= self.limit:
                raise SubmitError("RequestEngine has too many requests in flight; retry later.")
            (one,), (channel,) = request.requests, request.stream_channels
            handle = RequestHandle()
            prompt = tokenise(one.messages[0].contents)
            self._waiting.append([handle, channel, one.messages[0].contents, prompt, request.max_generate_length, []])
            self.native.append(request)
            self.most = max(self.most, len(self._waiting) + len(self._resident))
        return handle

    def shutdown(self, mode: ShutdownMode = ShutdownMode.DRAIN) -> None:
        """Stop."""
        self._ends = mode
        self._thread.join()

    def _run(self) -> None:
        while self._ends is None or (self._ends is ShutdownMode.DRAIN and (self._waiting or self._resident)):
            with self._lock:
                while self._waiting and len(self._resident) < self.seats:
                    self._resident.append(self._waiting.pop(0))
                resident = list(self._resident)
            self.decoded_together = max(self.decoded_together, len(resident))
            for one in resident:
                if self._step(*one):
                    with self._lock:
                        self._resident.remove(one)
            time.sleep(STEP_S)
        for handle, channel, *_ in [*self._waiting, *self._resident]:
            channel.push(None)
            handle.end("was cancelled")

    def _step(self, handle, channel, text, prompt, most, sent) -> bool:
        """One token; whether it was the last."""
        if handle.cancelled or "error" in text:
            reason = FinishReason.CANCELLED if handle.cancelled else FinishReason.ERROR
            handle.end("the GPU fell off the bus")
            channel.push(StreamChunk([], len(prompt), True, reason))
            return True
        answer = prompt[1 : 1 + most]
        if "vanish" in text and len(sent) == 2:
            handle.end()
            channel.push(None)
            return True
        sent.append(answer[len(sent)])
        last = len(sent) == len(answer)
        if last or len(sent) % channel.interval == 0:
            new = sent[-(len(sent) % channel.interval or channel.interval) :]
            channel.push(
                StreamChunk(new, len(prompt), last, FinishReason.LENGTH if last else FinishReason.NOT_FINISHED)
            )
        if last:
            handle.end()
        return last
