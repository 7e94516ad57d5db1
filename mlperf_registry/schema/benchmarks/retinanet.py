"""Options of object detection by RetinaNet: who suppresses overlapping boxes."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import knob


@attrs.frozen(kw_only=True)
class RetinaNetOptions:
    """``benchmark.options`` of the family ``retinanet``."""

    nms_type: Literal["efficientnms", "nmsopt", "nmspva"] | None = knob(
        "Plug-in that suppresses overlapping boxes; absent: the builder's choice.", default=None
    )
