"""vLLM itself: imported when an engine is opened, and everything of it that is called."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from harness.llm.devices import Devices
from harness.llm.request import LONG_ANSWER, Generation
from mlperf_registry.schema.problem import NotReady, RunFailed


def make_engine(checkpoint: str, arguments: dict[str, Any], devices: Devices | None, generation: Generation) -> Any:
    """A vLLM ``LLMEngine``, loaded; its work is done in a process of its own.

    The same class is behind ``vllm.LLM``, whose defaults it takes.

    Raises:
        NotReady: when vLLM is absent or cannot be imported.
        RunFailed: when the engine does not start; vLLM's own log, which is the run's, has its words.
    """
    # A fork of a process with threads, as ours is, may hang; and a measured run tells nobody of itself.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine
    except ImportError as error:
        raise NotReady(f"The backend vllm needs its library, which does not import ({error}): pip install vllm") from (
            error
        )
    try:
        asked = EngineArgs(
            model=checkpoint,
            skip_tokenizer_init=True,
            stream_interval=min(generation.max_tokens + 1, LONG_ANSWER),
            device_ids=None if devices is None else list(devices),
            **arguments,
        )
        return LLMEngine.from_engine_args(asked, usage_context=UsageContext.LLM_CLASS)
    except TypeError as error:
        raise RunFailed(f"vLLM does not take backend.options.engine_args as they are: {error}") from error
    except Exception as error:  # whatever a model, a driver or a process of vLLM's raises
        raise RunFailed(f"vLLM did not start: {error}. Its own words are above in this log.") from error


def sampling_params(generation: Generation) -> Any:
    """vLLM's SamplingParams of a run's requests, the same for all."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    return SamplingParams(
        max_tokens=generation.max_tokens,
        min_tokens=generation.min_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        top_k=generation.top_k,
        seed=generation.seed,
        stop_token_ids=list(generation.stop_token_ids),
        ignore_eos=generation.ignore_eos,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA if generation.in_pieces else RequestOutputKind.FINAL_ONLY,
    )


def tokens_input(prompt: Sequence[int]) -> dict[str, Any]:
    """A prompt of token ids as the engine takes it, with nothing left to render."""
    return {"type": "token", "prompt_token_ids": prompt}


def longest(engine: Any) -> int:
    """Most tokens of a prompt and its answer together."""
    length: int = engine.model_config.max_model_len
    return length


def is_dead(engine: Any) -> bool:
    """Whether the engine's process has ended: vLLM waits for its answers for ever."""
    resources = getattr(engine.engine_core, "resources", None)
    return bool(getattr(resources, "engine_dead", False))


def end(engine: Any) -> None:
    """End the engine's process."""
    with contextlib.suppress(Exception):  # a dead process cannot be told
        engine.engine_core.shutdown()
