"""Options of the backend vllm: what its engine takes beyond the shared section ``llm``, by vLLM's own names."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.knob import above, at_least, knob


@attrs.frozen(kw_only=True)
class VllmOptions:
    """``backend.options`` of ``vllm``. What is absent is left to vLLM."""

    gpu_memory_utilization: float | None = knob(
        "Share of a GPU's memory for weights, activations and KV cache.", check=above(0, 1), default=None
    )
    max_model_len: int | None = knob(
        "Longest prompt and answer together; absent: the model's own limit.",
        unit="tokens",
        check=at_least(1),
        default=None,
    )
    quantization: str | None = knob(
        "How weights are quantised while they are loaded, by vLLM's name; absent: as builder.precision says.",
        default=None,
    )
    performance_mode: Literal["balanced", "interactivity", "throughput"] | None = knob(
        "What vLLM's own choices of batch sizes and CUDA graphs favour.", default=None
    )
    async_scheduling: bool | None = knob("Schedule a step while the one before is executed.", default=None)
    enforce_eager: bool = knob("Neither compile the model nor record CUDA graphs.", default=False)
    enable_prefix_caching: bool = knob(
        "Keep the KV cache of beginnings that prompts share; MLPerf forbids it between samples.", default=False
    )
    engine_args: FrozenMap[Any] = knob(
        "Further arguments of vLLM's EngineArgs, by their names; they win over what the other fields say.",
        default=FrozenMap({}),
    )

    @property
    def kv_cache_reuse(self) -> str | None:
        """See ReusesKvCache. What engine_args says wins; told nothing, vLLM itself would reuse."""
        name = "enable_prefix_caching"
        if name in self.engine_args:
            return None if self.engine_args[name] is False else f"engine_args.{name}"
        return name if self.enable_prefix_caching else None
