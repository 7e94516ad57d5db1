"""Options of image classification by a residual network: where images come from and how they are prepared."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import at_least, knob


@attrs.frozen(kw_only=True)
class ResNet50Options:
    """``benchmark.options`` of the family ``resnet50``."""

    image_source: Literal["imagenet", "idx"] = knob("JPEG files with a val_map.txt, or idx files of the MNIST family.")
    height: int = knob("Height of the network's input.", unit="pixels", check=at_least(1))
    width: int = knob("Width of the network's input.", unit="pixels", check=at_least(1))
    channels: int = knob("Channels of the network's input.", check=at_least(1))
    resize: int | None = knob(
        "Shorter side after resizing, before the central crop; absent: no resizing.", unit="pixels", default=None
    )
    mean: tuple[float, ...] = knob("Mean of each channel, subtracted from pixel values of 0 to 255.")
    scale: tuple[float, ...] = knob("Divisor of each channel after subtraction.")
    label_offset: int = knob("Subtracted from the network's class index to get the label.", default=0)
