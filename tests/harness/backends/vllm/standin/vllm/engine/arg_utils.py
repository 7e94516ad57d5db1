"""vllm.engine.arg_utils, as far as it is called."""

import dataclasses
from typing import Any


@dataclasses.dataclass
class EngineArgs:
    model: str = ""
    skip_tokenizer_init: bool = False
    load_format: str = "auto"
    dtype: str = "auto"
    kv_cache_dtype: str = "auto"
    max_model_len: int | None = None
    cudagraph_capture_sizes: list[int] | None = None
    pipeline_parallel_size: int = 1
    device_ids: list[int | str] | None = None
    tensor_parallel_size: int = 1
    enable_expert_parallel: bool = False
    enable_prefix_caching: bool | None = None
    gpu_memory_utilization: float = 0.92
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    disable_log_stats: bool = False
    quantization: str | None = None
    enforce_eager: bool = False
    enable_chunked_prefill: bool | None = None
    compilation_config: Any = None
    async_scheduling: bool | None = None
    stream_interval: int = 1
    performance_mode: str = "balanced"
