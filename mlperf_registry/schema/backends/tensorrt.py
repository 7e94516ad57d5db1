"""Options of the backends tensorrt and tensorrt_rtx."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import knob


@attrs.frozen(kw_only=True)
class TensorRTOptions:
    """``backend.options`` of ``tensorrt`` and ``tensorrt_rtx``."""

    gather: Literal["auto", "copies", "batch", "kernel"] = knob(
        "How samples that lie apart come into one batch: a copy each, one call for all copies, or a kernel; auto "
        "measures them and takes the fastest.",
        default="auto",
    )
