"""Options of the backend onnxruntime."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.knob import between, knob


@attrs.frozen(kw_only=True)
class OnnxRuntimeOptions:
    """``backend.options`` of ``onnxruntime``."""

    intra_op_threads: int = knob(
        "Threads of one engine instance; 0: the cores shared out among instances.",
        check=between(0, bounds.THREADS),
        scales="never",
        default=0,
    )
    graph_optimization: Literal["disabled", "basic", "extended", "full"] = knob(
        "Graph optimisation that the builder does.", default="full"
    )
