"""Options of text to image by Stable Diffusion XL."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.applicability import SERVER
from mlperf_registry.schema.knob import Applies, at_least, knob


@attrs.frozen(kw_only=True)
class SdxlOptions:
    """``benchmark.options`` of the family ``sdxl``."""

    sdxl_batcher_time_limit: int | None = knob(
        "How long the batcher waits for a batch to fill; 0: not at all.",
        unit="s",
        check=at_least(0),
        applies=Applies(scenarios=SERVER),
        default=None,
    )
    use_native_instance_norm: bool = knob("Normalise instances with TensorRT's own layer.", default=False)
