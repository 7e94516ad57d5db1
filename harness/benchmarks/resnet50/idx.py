"""Images in idx files, the form of MNIST and its successors: one gzipped file of pixels, one of labels.

Small enough to ship with the package and to hold in memory, so nothing is cached on disk.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.sections import Data

_UNSIGNED_BYTES = b"\0\0\x08"
"""What an idx file of unsigned bytes starts with; the number of dimensions follows."""


@attrs.frozen(eq=False)
class IdxImages:
    """Grey images in memory, normalised when they are loaded."""

    pixels: npt.NDArray[np.uint8]
    """Shape [n, height, width]."""
    labels: npt.NDArray[np.int64]
    """Shape [n]."""
    mean: float
    scale: float

    def __len__(self) -> int:
        return len(self.labels)

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
        """``image``: float32 [n, 1, height, width]."""
        chosen = self.pixels[indices].astype(np.float32)
        chosen -= np.float32(self.mean)
        chosen /= np.float32(self.scale)
        return {"image": chosen[:, np.newaxis]}


def open_idx(data: Data, options: ResNet50Options, scratch: Path | None) -> IdxImages:
    """The images of ``data.path`` with the labels of ``data.map_path``.

    Raises:
        NotReady: when a file is missing or damaged, or holds something else than the config says.
    """
    assert data.map_path is not None
    images = resolve_path(data.path, scratch, source=data.source, kind="file")
    pixels = read_idx(images)
    labels = read_idx(resolve_path(data.map_path, scratch, source=data.source, kind="file"))
    wanted = (data.sample_count, options.height, options.width)
    if options.channels != 1 or pixels.shape != wanted or labels.shape != wanted[:1]:
        raise NotReady(
            f"{images} holds grey images of shape {pixels.shape} with {labels.size} labels, and the config says "
            f"{wanted} in {options.channels} channels. Change data.sample_count or benchmark.options.height, .width "
            "and .channels, or get the right file."
        )
    return IdxImages(pixels, labels.astype(np.int64), options.mean[0], options.scale[0])


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, gzipped or not.

    Raises:
        NotReady: when the file is cut off or of another kind.
    """
    content = path.read_bytes()
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        if not content.startswith(_UNSIGNED_BYTES):
            raise ValueError("its first bytes are not those of an idx file of unsigned bytes")
        dimensions = content[3]
        shape = np.frombuffer(content, ">i4", dimensions, offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (EOFError, OSError, ValueError, IndexError, zlib.error) as error:
        raise NotReady(f"{path} cannot be read: {error}. Get the file again.") from error
