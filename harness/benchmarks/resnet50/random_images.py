"""Images made on the fly, for networks with random weights: no download, each sample its own, the same each time.

They have the statistics of photographs, since what a GPU computes with decides the power it draws, and so its clock.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.resnet50.architecture import PIXEL_SPREAD
from harness.cores import usable_cores
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.sections import Data

_SEED = 20261122
_COARSEST = 4
"""Cells of the coarsest grid along each side; every further octave has twice as many."""


@attrs.frozen(eq=False)
class RandomImages:
    """A Dataset of noise with as much contrast in each octave of detail, as photographs have."""

    count: int
    options: ResNet50Options
    _octaves: tuple[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]], ...]
    """Interpolation matrices of each, [height, cells] and [cells, width]."""

    def __len__(self) -> int:
        return self.count

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
        """``image``: float32 [n, channels, height, width], normalised as the options say."""
        shape = self.options.channels, self.options.height, self.options.width
        batch = np.empty((len(indices), *shape), np.float32)

        def fill(row: int) -> None:
            self._draw(int(indices[row]), batch[row])

        # What takes time here releases the GIL.
        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(fill, range(len(indices))))
        return {"image": batch}

    def _draw(self, index: int, image: npt.NDArray[np.float32]) -> None:
        random = np.random.default_rng((_SEED, index))
        image.fill(0)
        for down, across in self._octaves:
            cells = random.standard_normal((len(image), down.shape[1], across.shape[0]), np.float32)
            image += down @ cells @ across
        image *= np.float32(PIXEL_SPREAD / np.sqrt(len(self._octaves)))
        mean = np.asarray(self.options.mean, np.float32)[:, np.newaxis, np.newaxis]
        image += mean
        np.clip(np.rint(image, out=image), 0, 255, out=image)
        image -= mean
        image /= np.asarray(self.options.scale, np.float32)[:, np.newaxis, np.newaxis]


def open_random_images(data: Data, options: ResNet50Options) -> RandomImages:
    """As many as the true set has; files of ``data`` are not looked at.

    Raises:
        NotReady: when nothing says how many.
    """
    if data.sample_count is None:
        raise NotReady("Nothing says how many samples the data set has: set data.sample_count.")
    cells, octaves = _COARSEST, []
    while cells <= max(options.height, options.width):
        octaves.append((_interpolation(options.height, cells), _interpolation(options.width, cells).T.copy()))
        cells *= 2
    return RandomImages(data.sample_count, options, tuple(octaves))


def _interpolation(pixels: int, cells: int) -> npt.NDArray[np.float32]:
    """Matrix [pixels, cells] that draws cells out to pixels linearly and keeps the variance of independent cells."""
    position = np.linspace(0, cells - 1, pixels)
    weights = np.maximum(0, 1 - np.abs(position[:, np.newaxis] - np.arange(cells)))
    normalised: npt.NDArray[np.float32] = (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)
    return normalised
