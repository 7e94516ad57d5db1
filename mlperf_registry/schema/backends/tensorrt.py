"""Options of the backends tensorrt and tensorrt_rtx."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import knob


@attrs.frozen(kw_only=True)
class TensorRTOptions:
    """``backend.options`` of ``tensorrt`` and ``tensorrt_rtx``."""

    gather: Literal["auto", "copies", "batch", "kernel", "graph"] = knob(
        "How samples that lie apart come into one batch: a copy each, one call for all copies, a kernel, or a kernel "
        "in one graph with all else, where one query is under way at a time; auto measures them and takes the fastest.",
        default="auto",
    )
