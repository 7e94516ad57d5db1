"""The recipe of an engine as steps: quantise a checkpoint, export it to ONNX, build the engine. A pure function.

A source that is further along leaves out the steps that it has behind it. Each step is a process of its own: its memory
is free again before the next, and a library that crashes is one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from harness.backends.tensorrt_edgellm.source import Source
from mlperf_registry.schema.problem import ConfigError, Problem

CALIBRATION_VARIABLE = "EDGELLM_QUANT_DATASET_CNN_DAILYMAIL"
"""Where the quantiser looks for its default calibration set before it downloads it."""
_LIMITS = "llm.trtllm_build_flags"
_KV_CACHE = "llm.trtllm_checkpoint_flags.kv_cache_dtype"


@attrs.frozen(kw_only=True)
class Limits:
    """The engine's optimisation profile."""

    max_batch_size: int
    """Requests that decode together."""
    max_input_len: int
    """Tokens of a prompt."""
    max_kv_cache_capacity: int
    """Tokens of a prompt and its answer."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Limits:
        """The limits that a recipe's values set.

        Raises:
            ConfigError: for each that is not set, and where prompts would leave no room for answers.
        """
        paths = [f"{_LIMITS}.{name}" for name in ("max_batch_size", "max_input_len", "max_seq_len")]
        absent = [path for path in paths if values.get(path) is None]
        if absent:
            raise ConfigError(Problem(path, "is not set, and an engine is built for it") for path in absent)
        batch, longest, capacity = (int(values[path]) for path in paths)
        limits = cls(max_batch_size=batch, max_input_len=longest, max_kv_cache_capacity=capacity)
        if limits.max_kv_cache_capacity <= limits.max_input_len:
            message = f"is {limits.max_kv_cache_capacity}, which leaves no room for answers to the longest prompts"
            raise ConfigError([Problem(f"{_LIMITS}.max_seq_len", message, hint=f"more than {limits.max_input_len}")])
        return limits


def quantised_cache(values: Mapping[str, Any]) -> str | None:
    """The number format of the KV cache where it is quantised.

    Raises:
        ConfigError: for one that Edge-LLM does not have.
    """
    cache = values.get(_KV_CACHE)
    if cache not in (None, "auto", "fp8"):
        message = f"is {cache}, and TensorRT Edge-LLM keeps its KV cache in fp16 or fp8"
        raise ConfigError([Problem(_KV_CACHE, message, hint=f"{_KV_CACHE}=fp8")])
    return "fp8" if cache == "fp8" else None


@attrs.frozen(kw_only=True)
class Step:
    """One process of a build."""

    name: Literal["quantising", "exporting", "building"]
    command: tuple[str, ...]
    """The module that it runs, and its arguments."""
    environment: Mapping[str, str] = attrs.field(factory=dict)
    """Added to what the process inherits."""
    needs: tuple[str, ...] = ()
    """Modules that must be importable, beyond tensorrt_edgellm's own."""
    makes: Path
    """What is there afterwards."""


def steps(source: Source, values: Mapping[str, Any], work: Path, engine: Path) -> tuple[Step, ...]:
    """What is to be run, in order; nothing where the source is an engine.

    Args:
        source: what the engine is made from.
        values: of the recipe, by path.
        work: folder for what lies between the source and the engine.
        engine: folder that the engine goes to.

    Raises:
        ConfigError: as ``Limits.of``, and for what Edge-LLM does not build.
    """
    if source.kind == "engine":
        return ()
    made: list[Step] = []
    limits = Limits.of(values)
    network = source.path
    if source.kind == "checkpoint":
        checkpoint = source.path
        method = values.get("backend.options.quantization")
        if method is not None and not source.quantised:
            checkpoint = work / "checkpoint"
            made.append(_quantise(source.path, checkpoint, method, values))
        network = work / "onnx" / "llm"
        made.append(_export(checkpoint, network, values))
    made.append(_build(network, engine, limits))
    return tuple(made)


def _quantise(checkpoint: Path, target: Path, method: str, values: Mapping[str, Any]) -> Step:
    command = [
        "tensorrt_edgellm.scripts.quantize",
        "llm",
        *("--model_dir", str(checkpoint)),
        *("--output_dir", str(target)),
        *("--quantization", method),
        *("--num_samples", str(values["backend.options.calibration_samples"])),
    ]
    head = values.get("backend.options.lm_head_quantization")
    if head is not None:
        command += ["--lm_head_quantization", head]
    cache = quantised_cache(values)
    if cache is not None:
        command += ["--kv_cache_quantization", cache]
    articles = values.get("backend.options.calibration_path")
    return Step(
        name="quantising",
        command=tuple(command),
        environment={} if articles is None else {CALIBRATION_VARIABLE: articles},
        needs=("torch", "transformers", "modelopt", "datasets"),
        makes=target / "config.json",
    )


def _export(checkpoint: Path, network: Path, values: Mapping[str, Any]) -> Step:
    command = ["tensorrt_edgellm.scripts.export", str(checkpoint), str(network.parent)]
    if values.get("backend.options.fp8_embedding"):
        command.append("--fp8-embedding")
    return Step(
        name="exporting",
        command=tuple(command),
        needs=("torch", "transformers", "onnx", "onnxscript", "onnx_graphsurgeon"),
        makes=network / "model.onnx",
    )


def _build(network: Path, engine: Path, limits: Limits) -> Step:
    command = (
        "harness.backends.tensorrt_edgellm.compile",
        *("--onnx-dir", str(network)),
        *("--engine-dir", str(engine)),
        *("--max-batch-size", str(limits.max_batch_size)),
        *("--max-input-len", str(limits.max_input_len)),
        *("--max-kv-cache-capacity", str(limits.max_kv_cache_capacity)),
    )
    return Step(name="building", command=command, needs=("tensorrt",), makes=engine / "llm.engine")
