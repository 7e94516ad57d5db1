"""What engines of language models read: parallelism, batching of tokens, and the flags of TensorRT-LLM.

Flags keep TensorRT-LLM's names as NVIDIA's configurations write them; the classes list all that NVIDIA's code reads.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import attrs

from mlperf_registry.schema.applicability import OFFLINE, SERVER, TOKENS
from mlperf_registry.schema.knob import Applies, above, at_least, between, knob, matches

Switch = Literal["enable", "disable"]
Plugin = Literal["auto", "float16", "float32", "bfloat16", "fp8", "fp4", "nvfp4", "disable"]
KvCacheType = Literal["paged", "continuous", "disabled"]

_TOKENS = Applies(benchmarks=TOKENS)
_field = partial(knob, applies=_TOKENS)
_flag = partial(knob, applies=_TOKENS, default=None)
_whole = partial(_flag, check=at_least(1))


@attrs.frozen(kw_only=True)
class CheckpointFlags:
    """Flags of the step that quantises the model."""

    kv_cache_dtype: Literal["auto", "fp8", "int8", "nvfp4"] | None = _flag("Number format of the KV cache.")
    effective_bits: float | None = _flag(
        "Mean bits per weight that mixed precision aims at.", unit="bits", check=above(0)
    )
    num_calib_steps: int | None = _whole("Steps of calibration.", unit="steps")
    num_score_steps: int | None = _whole("Steps that score layers for mixed precision.", unit="steps")


@attrs.frozen(kw_only=True)
class BuildFlags:
    """Flags of trtllm-build."""

    max_batch_size: int | None = _whole("Most requests in a step.", unit="requests", scales="size")
    max_beam_width: int | None = _whole("Widest beam search.", unit="beams")
    max_input_len: int | None = _whole("Longest input.", unit="tokens")
    max_seq_len: int | None = _whole("Longest input and output together.", unit="tokens")
    max_num_tokens: int | None = _whole("Most tokens in a step.", unit="tokens", scales="size")
    max_encoder_input_len: int | None = _whole("Longest input of an encoder.", unit="frames")
    tokens_per_block: int | None = _whole("Tokens in a block of the paged KV cache.", unit="tokens")
    kv_cache_type: KvCacheType | None = _flag("Kind of KV cache.")
    remove_input_padding: Switch | None = _flag("Pack inputs without padding.")
    multiple_profiles: Switch | None = _flag("Build several optimisation profiles.")
    context_fmha: Switch | None = _flag("Fused attention in the context phase.")
    use_paged_context_fmha: Switch | None = _flag("Fused attention over a paged KV cache in the context phase.")
    use_fp8_context_fmha: Switch | None = _flag("Fused attention in fp8 in the context phase.")
    use_fused_mlp: Switch | None = _flag("Fuse the layers of the MLP.")
    norm_quant_fusion: Switch | None = _flag("Fuse normalisation with quantisation.")
    gemm_plugin: Plugin | None = _flag("Number format of the GEMM plug-in.")
    gemm_allreduce_plugin: Plugin | None = _flag("Number format of the plug-in that fuses GEMM and all-reduce.")
    gpt_attention_plugin: Plugin | None = _flag("Number format of the attention plug-in of decoders.")
    bert_attention_plugin: Plugin | None = _flag("Number format of the attention plug-in of encoders.")
    moe_plugin: Plugin | None = _flag("Number format of the plug-in for mixtures of experts.")
    enable_attention_dp: bool | None = _flag("Split attention by requests, not by heads.")
    torch_compile_enabled: bool | None = _flag("Compile the model with torch.compile.")


@attrs.frozen(kw_only=True)
class RuntimeFlags:
    """Flags of TensorRT-LLM's executor and of NVIDIA's harness around it."""

    max_batch_size: int | None = _whole("Most requests in a step.", unit="requests", scales="size")
    max_num_tokens: int | None = _whole("Most tokens in a step.", unit="tokens", scales="size")
    batch_scheduler_policy: Literal["max_util", "no_evict", "static"] | None = _flag(
        "Whether requests may be evicted to fill batches."
    )
    context_chunking_policy: Literal["first_come_first_served", "equal_progress"] | None = _flag(
        "Order in which chunks of inputs are processed."
    )
    use_inflight_batching: bool | None = _flag("Add requests to a running batch.")
    enable_chunked_context: bool | None = _flag("Process long inputs in chunks.")
    enable_batch_size_tuning: bool | None = _flag("Let the executor tune the batch size.")
    enable_max_num_tokens_tuning: bool | None = _flag("Let the executor tune the tokens of a step.")
    dynamic_batch_moving_average_window: int | None = _whole("Steps that this tuning averages over.", unit="steps")
    kvcache_free_gpu_mem_frac: float | None = _flag("Share of free GPU memory for the KV cache.", check=between(0, 1))
    exclude_input_from_output: bool | None = _flag("Return only new tokens.")
    trtllm_backend: Literal["cpp", "pytorch"] | None = _flag("TensorRT-LLM's engine or its PyTorch path.")
    moe_backend: Literal["CUTLASS", "CUTEDSL", "WIDEEP", "TRTLLM", "VANILLA"] | None = _flag(
        "Kernels for mixtures of experts."
    )
    cuda_graph_batch_sizes: tuple[int, ...] | None = _flag(
        "Batch sizes with a CUDA graph of their own.", unit="requests", scales="size"
    )
    cuda_graph_padding_enabled: bool | None = _flag("Fill batches up to the next size that has a graph.")
    adp_balancing_enable: bool | None = _flag("Even out requests among ranks of data-parallel attention.")
    adp_balancing_timeout_iters: int | None = _flag("Most steps to wait for that.", unit="steps", check=at_least(0))
    adp_balancing_batching_wait_iters: int | None = _flag(
        "Steps to wait for more requests before a batch.", unit="steps", check=at_least(0)
    )
    max_concurrency: int | None = _flag("Most requests under way; -1: no limit.", unit="requests", check=at_least(-1))
    workers_per_core: int | None = _whole("Client workers for each engine.", unit="workers")
    http_backend: Literal["custom_http", "openai_async"] | None = _flag("HTTP client of the harness.")
    num_postprocess_workers: int | None = _flag(
        "Processes that turn tokens into text.", unit="processes", check=at_least(0)
    )
    disable_gc: bool | None = _flag("Switch off Python's garbage collector while running.")


@attrs.frozen(kw_only=True)
class Llm:
    """What engines of language models read."""

    tensor_parallelism: int | None = _field(
        "GPUs that share each layer.", unit="GPUs", check=at_least(1), scales="count", default=None
    )
    pipeline_parallelism: int | None = _field(
        "GPUs that share the layers among them.", unit="GPUs", check=at_least(1), scales="count", default=None
    )
    moe_expert_parallelism: int | None = _field(
        "GPUs that share the experts of a mixture.", unit="GPUs", check=at_least(1), scales="count", default=None
    )
    gpu_rank_map: str | None = _field(
        "GPUs of each model instance, as GPUs&GPUs&...",
        check=matches(r"\d+(,\d+)*(&\d+(,\d+)*)*", "0,3&1,2&4,5&6,7"),
        scales="never",
        default=None,
    )
    core_type: (
        Literal["trtllm_executor", "trtllm_endpoint", "trtllm_disagg", "trtllm_hlapi", "triton_grpc", "dummy"] | None
    ) = _field("How NVIDIA's harness reaches TensorRT-LLM.", default=None)
    kvcache_free_gpu_mem_frac: float | None = _field(
        "Share of free GPU memory for the KV cache, as rounds up to v4.1 say it.", check=between(0, 1), default=None
    )
    trtllm_batching_mode: Literal["V1", "IFB"] | None = _field(
        "Static or in-flight batching, as rounds up to v4.1 say it.", default=None
    )
    trtllm_batch_sched_policy: Literal["max_util", "no_evict"] | None = _field(
        "Whether requests may be evicted to fill batches, as rounds up to v4.1 say it.", default=None
    )
    enable_sort: bool | None = _field(
        "Sort waiting requests by their length.",
        default=None,
    )
    num_sort_segments: int | None = knob(
        "Segments that waiting requests are cut into before sorting.",
        unit="segments",
        check=at_least(1),
        applies=Applies(benchmarks=("llm",), scenarios=(*OFFLINE, *SERVER)),
        default=None,
    )
    llm_gen_config_path: str | None = _field("JSON file with the settings of generation.", default=None)
    warmup_iterations: int | None = _field(
        "Rounds before LoadGen starts, of as many samples as the engine has at once, 16 at most; 0: none; absent: as "
        "many as runtime.warmup_duration has time for.",
        unit="iterations",
        check=at_least(0),
        default=None,
    )
    enable_ttft_latency_tracker: bool = _field("Follow the time to first token while running.", default=False)
    server_in_foreground: bool = _field("Keep the process of an LLM server in the foreground.", default=False)
    trtllm_server_urls: tuple[str, ...] = _field(
        "Addresses of running trtllm-serve servers.", scales="never", default=()
    )
    trtllm_disagg_config_path: str | None = _field(
        "Configuration of servers that split context and generation.", scales="never", default=None
    )
    trtllm_checkpoint_flags: CheckpointFlags = knob("Flags of the quantising step.", default=CheckpointFlags())
    trtllm_build_flags: BuildFlags = knob("Flags of trtllm-build.", default=BuildFlags())
    trtllm_runtime_flags: RuntimeFlags = knob("Flags of the executor.", default=RuntimeFlags())
