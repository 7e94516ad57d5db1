"""TensorRT-LLM itself: imported when an engine is built or opened, and everything of it that is called.

Written to its documented LLM API; where its releases differ, to the one from 1.0 on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.llm.request import Generation
from mlperf_registry.schema.problem import NotReady, RunFailed

ExecutionPath = Literal["pytorch", "cpp"]
"""TensorRT-LLM's PyTorch path, or engines of TensorRT."""


def make_llm(model: str, path: ExecutionPath, arguments: Mapping[str, Any]) -> Any:
    """TensorRT-LLM's ``LLM``, loaded.

    Raises:
        NotReady: when the library is absent, or has no engines of TensorRT.
        RunFailed: when the model does not load.
    """
    kind = _llm_class(path)
    try:
        return kind(model=model, skip_tokenizer_init=True, **arguments)
    except Exception as error:  # whatever a model, a driver, MPI or a wrong argument raises
        raise RunFailed(f"TensorRT-LLM did not start: {error}. Its own words are above in this log.") from error


def build_engine(
    model: str,
    arguments: Mapping[str, Any],
    build_config: Mapping[str, Any],
    quant_config: Mapping[str, Any],
    calibration_steps: int | None,
    folder: Path,
) -> None:
    """Have TensorRT-LLM build engines of TensorRT, and save them in ``folder``.

    Raises:
        NotReady, RunFailed: as ``make_llm``.
    """
    kind = _llm_class("cpp")
    from tensorrt_llm.llmapi import BuildConfig, CalibConfig, QuantConfig

    try:
        build = BuildConfig(**{name: value for name, value in build_config.items() if name != "plugin_config"})
        for name, value in build_config["plugin_config"].items():
            setattr(build.plugin_config, name, value)
        further: dict[str, Any] = {} if not quant_config else {"quant_config": QuantConfig(**quant_config)}
        if calibration_steps is not None:
            further["calib_config"] = CalibConfig(calib_batches=calibration_steps)
        llm = kind(model=model, build_config=build, **arguments, **further)
        try:
            llm.save(str(folder))
        finally:
            llm.shutdown()
    except Exception as error:
        raise RunFailed(f"TensorRT-LLM did not build an engine of {model}: {error}") from error


def sampling_params(generation: Generation, end_tokens: tuple[int, ...]) -> Any:
    """TensorRT-LLM's SamplingParams of a run's requests, the same for all."""
    from tensorrt_llm import SamplingParams

    ends = tuple(dict.fromkeys((*end_tokens, *generation.stop_token_ids)))
    greedy = generation.temperature == 0
    return SamplingParams(
        end_id=ends[0] if ends and not generation.ignore_eos else -1,
        pad_id=ends[0] if ends else 0,
        stop_token_ids=None if generation.ignore_eos else list(ends[1:]) or None,
        # Of stop tokens too: they are part of an answer.
        include_stop_str_in_output=True,
        max_tokens=generation.max_tokens,
        min_tokens=generation.min_tokens,
        temperature=None if greedy else generation.temperature,
        top_k=1 if greedy else generation.top_k or None,
        top_p=None if greedy else generation.top_p,
        seed=generation.seed,
        ignore_eos=generation.ignore_eos,
        detokenize=False,
    )


def end(llm: Any) -> None:
    """End the engine and its processes."""
    with contextlib.suppress(Exception):  # a dead one cannot be told
        llm.shutdown()


def _llm_class(path: ExecutionPath) -> Any:
    try:
        if path == "pytorch":
            from tensorrt_llm import LLM
        else:
            from tensorrt_llm._tensorrt_engine import LLM
    except ImportError as error:
        wanted = "its library" if path == "pytorch" else "a release with engines of TensorRT (trtllm_backend=cpp)"
        raise NotReady(
            f"The backend tensorrt_llm needs {wanted}, which does not import ({error}): pip install tensorrt-llm"
        ) from error
    return LLM
