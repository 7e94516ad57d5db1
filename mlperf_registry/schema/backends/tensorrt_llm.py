"""Options of the backend tensorrt_llm: what its LLM takes beyond the shared section ``llm``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.knob import knob


@attrs.frozen(kw_only=True)
class TensorRTLLMOptions:
    """``backend.options`` of ``tensorrt_llm``."""

    llm_args: FrozenMap[Any] = knob(
        "Further arguments of TensorRT-LLM's LLM, by their names and nested as there; they win over what the other "
        "fields say.",
        default=FrozenMap({}),
    )

    @property
    def kv_cache_reuse(self) -> str | None:
        """See ReusesKvCache. We switch it off, unless llm_args says otherwise; TensorRT-LLM itself would reuse."""
        config = self.llm_args.get("kv_cache_config", {})
        if not isinstance(config, Mapping):
            return "llm_args.kv_cache_config"
        kept = config.get("enable_block_reuse", False) is False
        return None if kept else "llm_args.kv_cache_config.enable_block_reuse"
