"""From a recipe to the arguments of vLLM's engine: what the config's fields are called there.

Imports no vLLM: `mlperf build` and the tests need none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.llm.checkpoint import quantized_as
from harness.llm.precision import only
from mlperf_registry.schema.problem import ConfigError, Problem

READS = {
    "llm.tensor_parallelism": "tensor_parallel_size",
    "llm.pipeline_parallelism": "pipeline_parallel_size",
    "llm.trtllm_checkpoint_flags.kv_cache_dtype": "kv_cache_dtype",
    "llm.trtllm_runtime_flags.max_batch_size": "max_num_seqs",
    "llm.trtllm_runtime_flags.max_num_tokens": "max_num_batched_tokens",
    "llm.trtllm_runtime_flags.enable_chunked_context": "enable_chunked_prefill",
    "llm.trtllm_runtime_flags.cuda_graph_batch_sizes": "cudagraph_capture_sizes",
    "llm.trtllm_build_flags.max_seq_len": "max_model_len",
    "backend.options.gpu_memory_utilization": "gpu_memory_utilization",
    "backend.options.max_model_len": "max_model_len",
    "backend.options.quantization": "quantization",
    "backend.options.performance_mode": "performance_mode",
    "backend.options.async_scheduling": "async_scheduling",
    "backend.options.enforce_eager": "enforce_eager",
    "backend.options.enable_prefix_caching": "enable_prefix_caching",
}
"""Path of the workload to the argument that takes its value; what is not set is left to vLLM.

Of two for one argument, the later wins.
"""

_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_QUANTIZED = {"fp8": "fp8"}
"""Precisions that vLLM quantises to while it loads; others need a checkpoint that was quantised before."""
_OURS = ("model", "device_ids", "skip_tokenizer_init", "stream_interval")
"""Arguments that the harness sets itself."""


def engine_arguments(values: Mapping[str, Any], checkpoint: Path) -> dict[str, Any]:
    """Keyword arguments of vLLM's EngineArgs, less the model's folder and the devices.

    Args:
        values: of a Recipe.
        checkpoint: folder of the model; whether it is quantised decides what a precision means.

    Raises:
        ConfigError: for a precision that neither vLLM nor the checkpoint has, or an argument that is the harness's own.
        NotReady: when the folder is no checkpoint.
    """
    further = further_arguments(values)
    named = {argument: values[path] for path, argument in READS.items() if values.get(path) is not None}
    if (values.get("llm.moe_expert_parallelism") or 1) > 1:
        named["enable_expert_parallel"] = True
    if values.get("model.weights") == "random":
        named["load_format"] = "dummy"
    if "quantization" not in named:
        named.update(_precision(values.get("builder.precision"), quantized_as(checkpoint)))
    return {"disable_log_stats": True, **named, **further}


def engine_flags(arguments: Mapping[str, Any]) -> list[str]:
    """The same arguments on the command line of ``vllm serve``."""
    return [word for name, value in arguments.items() for word in _flag("--" + name.replace("_", "-"), value)]


def _flag(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else [f"--no-{option[2:]}"]
    if isinstance(value, Mapping):
        return [option, json.dumps(value)]
    if isinstance(value, (list, tuple)):
        return [option, *map(str, value)]
    return [option, str(value)]


def further_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``backend.options.engine_args`` has.

    Raises:
        ConfigError: for an argument that is the harness's own.
    """
    further = dict(values.get("backend.options.engine_args") or {})
    taken = sorted(set(further) & set(_OURS))
    if taken:
        message = f"sets {', '.join(taken)}, which the harness sets itself"
        raise ConfigError([Problem("backend.options.engine_args", message)])
    return further


def _precision(precision: object, quantized: str | None) -> dict[str, Any]:
    wanted = only(precision)
    if wanted is None or quantized is not None:  # a quantised checkpoint is loaded as it is
        return {}
    if wanted in _DTYPES:
        return {"dtype": _DTYPES[wanted]}
    if wanted in _QUANTIZED:
        return {"quantization": _QUANTIZED[wanted]}
    message = f"is {wanted}, and the checkpoint is not quantised: vLLM itself quantises to {', '.join(_QUANTIZED)}"
    hint = "set model.path to a checkpoint quantised so, or backend.options.quantization to a method of vLLM's"
    raise ConfigError([Problem("builder.precision", message, hint=hint)])
