"""Opens the images of a classification benchmark, whichever source its options name.

The full benchmark and its mini differ in nothing else: both are labelled images that come out as float32 NCHW.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.benchmarks.resnet50.idx import open_idx
from harness.benchmarks.resnet50.imagenet import open_imagenet
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import Data
from mlperf_registry.schema.workload import Workload


class LabelledImages(Protocol):
    """A Dataset whose samples have one right class each."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class of every sample, shape [len(self)]."""

    def __len__(self) -> int:
        """Samples of the whole set."""

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
        """``image``: float32 [n, channels, height, width], row i for ``indices[i]``."""


def open_dataset(workload: Workload, scratch: Path | None) -> LabelledImages:
    """The workload's images; see ``open_images``."""
    return open_images(workload.data, workload.benchmark.options, scratch)


def open_images(data: Data, options: ResNet50Options, scratch: Path | None) -> LabelledImages:
    """The data set, checked to be complete; images are read when samples are loaded.

    Raises:
        ConfigError: when the options contradict each other.
        NotReady: when data is missing or is not what the options describe.
    """
    _check(data, options)
    if options.image_source == "idx":
        return open_idx(data, options, scratch)
    return open_imagenet(data, options, scratch)


def _check(data: Data, options: ResNet50Options) -> None:
    problems = [
        Problem(f"benchmark.options.{name}", f"has {len(values)} values, and the image has {options.channels} channels")
        for name, values in (("mean", options.mean), ("scale", options.scale))
        if len(values) != options.channels
    ]
    if 0 in options.scale:
        problems.append(Problem("benchmark.options.scale", "divides by zero"))
    if data.map_path is None:
        problems.append(Problem("data.map_path", "is not set, and labels come from there"))
    if options.image_source == "imagenet":
        if options.channels != 3:
            problems.append(Problem("benchmark.options.channels", "must be 3: ImageNet's images are decoded to RGB"))
        if data.tensor_path is None:
            problems.append(Problem("data.tensor_path", "is not set, and preprocessed images are kept there"))
        if options.resize is not None and options.resize < max(options.height, options.width):
            problems.append(Problem("benchmark.options.resize", "is smaller than the crop that is taken after it"))
    if problems:
        raise ConfigError(problems)
