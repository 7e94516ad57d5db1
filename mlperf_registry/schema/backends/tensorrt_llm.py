"""Options of the backend tensorrt_llm: what its LLM takes beyond the shared section ``llm``."""

from __future__ import annotations

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
