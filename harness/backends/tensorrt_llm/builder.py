"""Builds for TensorRT-LLM: the arguments that its PyTorch path loads a checkpoint with, or engines of TensorRT."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import attrs

from harness.backends.tell import Tell, silent
from harness.backends.tensorrt_llm import library
from harness.backends.tensorrt_llm.arguments import (
    PYTORCH_ONLY,
    build_config,
    load_arguments,
    quant_config,
    wanted_precision,
    without_effect,
)
from harness.llm.checkpoint import QUANTIZATION, quantized_as
from harness.llm.engine_file import EngineFile
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, RunFailed

BACKEND = "llm.trtllm_runtime_flags.trtllm_backend"
_FOLDER = "engine"
_LOW = ("fp8", "fp4", "int8")


class TensorRTLLMBuilder:
    """Turns a checkpoint's folder and the config into engine.json, and engines of TensorRT where they are asked for."""

    version: ClassVar[int] = 1
    """Part of the engine key; raised when the same recipe gives another engine."""

    def __init__(self, tell: Tell = silent) -> None:
        self.tell = tell
        """Told, in a sentence, which values of a recipe have no effect."""

    def room(self, recipe: Recipe, model_bytes: int) -> int:
        """See BackendPlugin: none, unless an engine of TensorRT or a copy of the checkpoint lies beside engine.json.

        Raises:
            NotReady: when the folder is no checkpoint.
        """
        return model_bytes if recipe.values.get(BACKEND) == "cpp" or _is_to_be_quantized(recipe) else 0

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine into ``folder`` and return its file name.

        Raises:
            ConfigError: for a precision that the checkpoint does not have and this path does not make.
            NotReady: when TensorRT-LLM is absent, or the folder is no checkpoint.
            RunFailed: when TensorRT-LLM does not build.
        """
        arguments, checkpoint = load_arguments(recipe.values), Path(recipe.model_path)
        engine = EngineFile(checkpoint=recipe.model_path, checkpoint_sha256=recipe.model_sha256, arguments=arguments)
        if recipe.values.get(BACKEND) == "cpp":
            _build_apart(recipe, folder / _FOLDER, quantized=quantized_as(checkpoint) is not None)
            return attrs.evolve(engine, checkpoint=_FOLDER).write(folder)
        ignored = without_effect(recipe.values)
        if ignored:
            path = f"TensorRT-LLM's PyTorch path, which builds no engine of TensorRT as {BACKEND}=cpp does"
            self.tell(f"Without effect on {path}: {', '.join(ignored)}.")
        if _is_to_be_quantized(recipe):
            if recipe.values.get("model.weights") != "random":
                _refuse(recipe)
            _quantized_copy(checkpoint, quant_config(recipe.values), folder / _FOLDER)
            return attrs.evolve(engine, checkpoint=_FOLDER).write(folder)
        return engine.write(folder)


def _is_to_be_quantized(recipe: Recipe) -> bool:
    return wanted_precision(recipe.values) in _LOW and quantized_as(Path(recipe.model_path)) is None


def _refuse(recipe: Recipe) -> None:
    precision = wanted_precision(recipe.values)
    message = f"is {precision}, and the checkpoint {recipe.model_path} is not quantised"
    hint = (
        f"TensorRT-LLM's PyTorch path loads checkpoints as they are: set model.path to one in {precision}, which "
        "NVIDIA publishes for most models, or make one with its ModelOpt; llm.trtllm_runtime_flags.trtllm_backend=cpp "
        "quantises while it builds"
    )
    raise ConfigError([Problem("builder.precision", message, hint=hint)])


def _quantized_copy(checkpoint: Path, quantization: dict[str, Any], folder: Path) -> None:
    # Random weights of a number format are those of a checkpoint that says it has it.
    shutil.copytree(checkpoint, folder)
    said = {"producer": {"name": "modelopt"}, "quantization": {**quantization, "exclude_modules": ["lm_head"]}}
    (folder / QUANTIZATION).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _build_apart(recipe: Recipe, folder: Path, *, quantized: bool) -> None:
    """Build in a process of its own, so that GPU memory is free again before the run."""
    values = recipe.values
    sizes = build_config(values)
    arguments = {
        name: value
        for name, value in load_arguments(values).items()
        if name not in PYTORCH_ONLY and name not in sizes and name != "kv_cache_config"
    }
    steps = (values.get("llm.trtllm_checkpoint_flags") or {}).get("num_calib_steps")
    order = (recipe.model_path, arguments, sizes, {} if quantized else quant_config(values), steps, folder)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_build, args=(theirs, order), name="build of tensorrt_llm")
    process.start()
    theirs.close()
    try:
        said = ours.recv()
    except EOFError:
        process.join()
        raise RunFailed(f"The process that built the engine ended with exit code {process.exitcode}.") from None
    process.join()
    if said is not None:
        raise said


def _build(pipe: Connection, order: tuple[Any, ...]) -> None:
    try:
        library.build_engine(*order)
    except (NotReady, RunFailed) as error:
        pipe.send(error)
    else:
        pipe.send(None)
