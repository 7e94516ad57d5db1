"""Options of the backend openvino, by OpenVINO's own names."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.knob import at_least, between, knob


@attrs.frozen(kw_only=True)
class OpenVINOOptions:
    """``backend.options`` of ``openvino``. What is absent is left to OpenVINO."""

    inference_num_threads: int = knob(
        "Threads of the engine; 0: one for each core.", check=between(0, bounds.THREADS), scales="never", default=0
    )
    kv_cache_precision: Literal["f32", "f16", "bf16", "u8"] | None = knob(
        "Number format of the KV cache; absent: f32 for builder.precision fp32, else OpenVINO's choice.", default=None
    )
    max_num_batched_tokens: int = knob(
        "Most tokens in a step, those of prompts included: a step is the least that a first token waits.",
        unit="tokens",
        check=at_least(1),
        default=256,
    )
    max_num_seqs: int = knob("Most requests in a step.", unit="requests", check=at_least(1), default=64)
