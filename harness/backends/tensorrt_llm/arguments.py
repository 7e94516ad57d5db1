"""What NVIDIA's fields are called in TensorRT-LLM's LLM API: arguments of a build, of a run, and of trtllm-build.

Imports no TensorRT-LLM: `mlperf build` and the tests need none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.llm.checkpoint import config_of
from harness.llm.precision import only
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import Llm

Arguments = dict[str, Any]

_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_ALGORITHMS = {"fp8": "FP8", "fp4": "NVFP4", "int8": "W8A8_SQ_PER_CHANNEL"}
"""Precision to the QuantAlgo that stands for it."""
_SIZES = ("max_batch_size", "max_num_tokens", "max_input_len", "max_seq_len", "max_beam_width")
_PLUGINS = ("gemm_plugin", "gemm_allreduce_plugin", "gpt_attention_plugin", "bert_attention_plugin", "moe_plugin")
_SWITCHES = (
    "remove_input_padding",
    "multiple_profiles",
    "context_fmha",
    "use_paged_context_fmha",
    "use_fp8_context_fmha",
    "use_fused_mlp",
    "norm_quant_fusion",
)
_POLICIES = {"max_util": "MAX_UTILIZATION", "no_evict": "GUARANTEED_NO_EVICT", "static": "STATIC_BATCH"}
_OURS = ("model", "skip_tokenizer_init", "stream_interval", "backend")
"""Arguments that the harness sets itself."""


def wanted_precision(values: Mapping[str, Any]) -> str | None:
    """The precision asked for: ``builder.use_fp8`` is another word for fp8, where nothing lower is named."""
    precision = only(values.get("builder.precision"))
    return "fp8" if values.get("builder.use_fp8") and precision in (None, "fp16", "bf16", "fp32") else precision


def load_arguments(values: Mapping[str, Any]) -> Arguments:
    """What the model is loaded with, whatever the scenario: parallelism, sizes, number formats.

    Args:
        values: of a Recipe.

    Raises:
        ConfigError: when an argument is set that is the harness's own.
    """
    further = dict(values.get("backend.options.llm_args") or {})
    taken = sorted(set(further) & set(_OURS))
    if taken:
        message = f"sets {', '.join(taken)}, which the harness sets itself"
        raise ConfigError([Problem("backend.options.llm_args", message)])
    build = values.get("llm.trtllm_build_flags") or {}
    checkpoint = values.get("llm.trtllm_checkpoint_flags") or {}
    named: Arguments = {
        "tensor_parallel_size": values.get("llm.tensor_parallelism"),
        "pipeline_parallel_size": values.get("llm.pipeline_parallelism"),
        "moe_expert_parallel_size": values.get("llm.moe_expert_parallelism"),
        "max_batch_size": only_number(values.get("builder.gpu_batch_size")),
        "max_num_tokens": values.get("builder.max_num_tokens"),
        **{name: build[name] for name in _SIZES if build.get(name) is not None},
        "enable_attention_dp": build.get("enable_attention_dp"),
        "dtype": _DTYPES.get(wanted_precision(values) or ""),
        "kv_cache_config": {
            # Blocks of one sample must not serve another: MLPerf forbids it.
            "enable_block_reuse": False,
            "dtype": checkpoint.get("kv_cache_dtype"),
            "tokens_per_block": build.get("tokens_per_block"),
        },
        "torch_compile_config": {} if build.get("torch_compile_enabled") else None,
        "load_format": "dummy" if values.get("model.weights") == "random" else None,
    }
    return merged(_set(named), further)


def run_arguments(llm: Llm) -> Arguments:
    """What the executor runs with: batching, memory, scheduling; none of it changes a built engine."""
    flags = llm.trtllm_runtime_flags
    policy = flags.batch_scheduler_policy or llm.trtllm_batch_sched_policy
    fraction = flags.kvcache_free_gpu_mem_frac
    tuning = {
        "enable_batch_size_tuning": flags.enable_batch_size_tuning,
        "enable_max_num_tokens_tuning": flags.enable_max_num_tokens_tuning,
        "dynamic_batch_moving_average_window": flags.dynamic_batch_moving_average_window,
    }
    balance = {
        "enable_balance": flags.adp_balancing_enable,
        "timeout_iters": flags.adp_balancing_timeout_iters,
        "batching_wait_iters": flags.adp_balancing_batching_wait_iters,
    }
    sizes = None if flags.cuda_graph_batch_sizes is None else list(flags.cuda_graph_batch_sizes)
    return _set(
        {
            "max_batch_size": flags.max_batch_size,
            "max_num_tokens": flags.max_num_tokens,
            "enable_chunked_prefill": flags.enable_chunked_context,
            "kv_cache_config": {
                "free_gpu_memory_fraction": llm.kvcache_free_gpu_mem_frac if fraction is None else fraction
            },
            "scheduler_config": {
                "capacity_scheduler_policy": None if policy is None else _POLICIES[policy],
                "context_chunking_policy": _upper(flags.context_chunking_policy),
                "dynamic_batch_config": _set(tuning) or None,
            },
            "cuda_graph_config": {"batch_sizes": sizes, "enable_padding": flags.cuda_graph_padding_enabled},
            "moe_config": {"backend": flags.moe_backend},
            "attention_dp_config": balance,
            "num_postprocess_workers": flags.num_postprocess_workers,
        }
    )


PYTORCH_ONLY = ("cuda_graph_config", "moe_config", "attention_dp_config", "torch_compile_config", "stream_interval")
"""Arguments that an engine of TensorRT does not take."""


def build_config(values: Mapping[str, Any]) -> Arguments:
    """Arguments of TensorRT-LLM's BuildConfig, with those of its plug-ins under ``plugin_config``."""
    build, loaded = values.get("llm.trtllm_build_flags") or {}, load_arguments(values)
    kind = build.get("kv_cache_type")
    plugins = {name: None if build[name] == "disable" else build[name] for name in _PLUGINS if build.get(name)}
    plugins |= {name: build[name] == "enable" for name in _SWITCHES if build.get(name)}
    if build.get("tokens_per_block"):
        plugins["tokens_per_block"] = build["tokens_per_block"]
    sizes = {name: loaded[name] for name in (*_SIZES, "max_encoder_input_len") if name in loaded}
    return {**sizes, **({} if kind is None else {"kv_cache_type": kind.upper()}), "plugin_config": plugins}


def quant_config(values: Mapping[str, Any]) -> Arguments:
    """Arguments of QuantConfig, for a precision that TensorRT-LLM quantises to; empty for others."""
    algorithm = _ALGORITHMS.get(wanted_precision(values) or "")
    cache = (values.get("llm.trtllm_checkpoint_flags") or {}).get("kv_cache_dtype")
    found = {"quant_algo": algorithm, "kv_cache_quant_algo": {"auto": None, None: None}.get(cache, _upper(cache))}
    return _set(found)


def longest(arguments: Mapping[str, Any], model: Path) -> int | None:
    """Most tokens of a prompt and its answer together; None where TensorRT-LLM decides by itself.

    Args:
        arguments: of its LLM.
        model: folder of the checkpoint or engine.

    Raises:
        NotReady: when it is neither.
    """
    built = config_of(model).get("build_config", {})
    asked: int | None = arguments.get("max_seq_len", built.get("max_seq_len"))
    return asked


def merged(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> Arguments:
    """Both, nested mappings too."""
    made = dict(weaker)
    for name, value in stronger.items():
        before = made.get(name)
        made[name] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return made


def only_number(value: object) -> int | None:
    """A value that is stored per component, of a benchmark with one."""
    if isinstance(value, Mapping):
        return next(iter(value.values())) if len(value) == 1 else None
    return value if isinstance(value, int) else None


def _upper(value: str | None) -> str | None:
    return None if value is None else value.upper()


def _set(named: Mapping[str, Any]) -> Arguments:
    """What is set, in nested mappings too; a mapping of which nothing is set is left out, an empty one kept."""
    made: Arguments = {}
    for name, value in named.items():
        if isinstance(value, Mapping) and value:
            value = _set(value) or None
        if value is not None:
            made[name] = value
    return made
