"""What NVIDIA's fields are called in TensorRT-LLM's LLM API: arguments of a build, of a run, and of trtllm-build.

Imports no TensorRT-LLM: `mlperf build` and the tests need none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
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
_CHECKPOINT, _BUILD = "llm.trtllm_checkpoint_flags", "llm.trtllm_build_flags"
_RUNTIME = "llm.trtllm_runtime_flags"
_LOADING = {
    "llm.tensor_parallelism": "tensor_parallel_size",
    "llm.pipeline_parallelism": "pipeline_parallel_size",
    "llm.moe_expert_parallelism": "moe_expert_parallel_size",
    "builder.gpu_batch_size": "max_batch_size",
    "builder.max_num_tokens": "max_num_tokens",
    **{f"{_BUILD}.{size}": size for size in _SIZES},
    f"{_BUILD}.enable_attention_dp": "enable_attention_dp",
    f"{_BUILD}.tokens_per_block": "kv_cache_config.tokens_per_block",
    f"{_BUILD}.torch_compile_enabled": "torch_compile_config",
    f"{_CHECKPOINT}.kv_cache_dtype": "kv_cache_config.dtype",
    "model.weights": "load_format",
}
_RUNNING = {
    "llm.kvcache_free_gpu_mem_frac": "kv_cache_config.free_gpu_memory_fraction",
    "llm.trtllm_batch_sched_policy": "scheduler_config.capacity_scheduler_policy",
    f"{_RUNTIME}.max_batch_size": "max_batch_size",
    f"{_RUNTIME}.max_num_tokens": "max_num_tokens",
    f"{_RUNTIME}.enable_chunked_context": "enable_chunked_prefill",
    f"{_RUNTIME}.kvcache_free_gpu_mem_frac": "kv_cache_config.free_gpu_memory_fraction",
    f"{_RUNTIME}.batch_scheduler_policy": "scheduler_config.capacity_scheduler_policy",
    f"{_RUNTIME}.context_chunking_policy": "scheduler_config.context_chunking_policy",
    **{
        f"{_RUNTIME}.{name}": f"scheduler_config.dynamic_batch_config.{name}"
        for name in ("enable_batch_size_tuning", "enable_max_num_tokens_tuning", "dynamic_batch_moving_average_window")
    },
    f"{_RUNTIME}.cuda_graph_batch_sizes": "cuda_graph_config.batch_sizes",
    f"{_RUNTIME}.cuda_graph_padding_enabled": "cuda_graph_config.enable_padding",
    f"{_RUNTIME}.moe_backend": "moe_config.backend",
    f"{_RUNTIME}.adp_balancing_enable": "attention_dp_config.enable_balance",
    f"{_RUNTIME}.adp_balancing_timeout_iters": "attention_dp_config.timeout_iters",
    f"{_RUNTIME}.adp_balancing_batching_wait_iters": "attention_dp_config.batching_wait_iters",
    f"{_RUNTIME}.num_postprocess_workers": "num_postprocess_workers",
}
READS = {"builder.precision": "dtype", "builder.use_fp8": "dtype", **_LOADING, **_RUNNING}
"""Path of the workload to the argument of the PyTorch path that takes its value, with dots into nested ones.

Of two for one argument, the later wins.
"""
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
    always: Arguments = {
        "dtype": _DTYPES.get(wanted_precision(values) or ""),
        # Blocks of one sample must not serve another: MLPerf forbids it.
        "kv_cache_config": {"enable_block_reuse": False},
    }

    def value_of(path: str) -> Any:
        section, _, name = path.rpartition(".")
        return values[path] if path in values else (values.get(section) or {}).get(name)

    return merged(merged(_set(always), _named(_LOADING, value_of)), further)


def run_arguments(llm: Llm) -> Arguments:
    """What the executor runs with: batching, memory, scheduling; none of it changes a built engine."""
    return _named(_RUNNING, lambda path: attrgetter(path.removeprefix("llm."))(llm))


def without_effect(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the flags of trtllm-build that are set, and that the PyTorch path has no argument for.

    Args:
        values: of a Recipe.
    """
    paths = (f"{_BUILD}.{name}" for name, value in (values.get(_BUILD) or {}).items() if value is not None)
    return tuple(path for path in paths if path not in _LOADING)


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
    sizes = {name: loaded[name] for name in _SIZES if name in loaded}
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


_AS: dict[str, Callable[[Any], Any]] = {
    "builder.gpu_batch_size": only_number,
    f"{_BUILD}.torch_compile_enabled": lambda on: {} if on else None,
    "model.weights": lambda weights: "dummy" if weights == "random" else None,
    "llm.trtllm_batch_sched_policy": _POLICIES.__getitem__,
    f"{_RUNTIME}.batch_scheduler_policy": _POLICIES.__getitem__,
    f"{_RUNTIME}.context_chunking_policy": str.upper,
    f"{_RUNTIME}.cuda_graph_batch_sizes": list,
}
"""What a value becomes whose argument takes another form; None: nothing is said."""


def _named(table: Mapping[str, str], value_of: Callable[[str], Any]) -> Arguments:
    made: Arguments = {}
    for path, argument in table.items():
        value = value_of(path)
        if value is not None:
            value = _AS.get(path, lambda same: same)(value)
        if value is not None:
            for name in reversed(argument.split(".")):
                value = {name: value}
            made = merged(made, value)
    return made


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
