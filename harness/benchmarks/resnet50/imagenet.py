"""ImageNet's validation set as MLPerf's reference prepares it: decode, resize by area, crop, subtract the mean.

Preparing 50,000 images takes minutes, so each one is kept as a .npy file in the scratch space when first used.
"""

from __future__ import annotations

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.resnet50.area import resize_and_crop
from harness.cores import usable_cores
from mlperf_registry import atomic
from mlperf_registry.roots import SCRATCH_VARIABLE, resolve_path
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.sections import Data

_RECIPE = "preprocessing.json"
"""Beside the tensors: what they were made with."""


@attrs.frozen(eq=False)
class ImageNet:
    """JPEG files, prepared when they are first loaded."""

    images: Path
    tensors: Path
    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    """Shape [n]."""
    options: ResNet50Options

    def __len__(self) -> int:
        return len(self.names)

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic]]:
        """``image``: float32 [n, 3, height, width].

        Raises:
            NotReady: when Pillow is needed and absent, a file is no image, or a tensor cannot be written.
        """
        batch = np.empty((len(indices), *self._shape), np.float32)

        def fill(row: int) -> None:
            batch[row] = self._tensor(self.names[indices[row]])

        # Pillow and NumPy release the GIL in all that takes time here.
        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(fill, range(len(indices))))
        return {"image": batch}

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.options.channels, self.options.height, self.options.width

    def _tensor(self, name: str) -> npt.NDArray[np.float32]:
        path = self.tensors / f"{name}.npy"
        try:
            kept = np.load(path, allow_pickle=False)
            if kept.dtype == np.float32 and kept.shape == self._shape:
                return np.asarray(kept, np.float32)
        except (OSError, ValueError, EOFError):
            pass  # absent or damaged: made anew
        tensor = prepare(read_image(self.images / name), self.options)
        content = io.BytesIO()
        np.save(content, tensor)
        try:
            atomic.write_bytes(path, content.getvalue())
        except OSError as error:
            raise NotReady(
                f"{path} cannot be written ({error.strerror}): make room, or choose another data.tensor_path."
            ) from error
        return tensor


def open_imagenet(data: Data, options: ResNet50Options, scratch: Path | None) -> ImageNet:
    """The images that the list at ``data.map_path`` names, all checked to be there.

    Raises:
        NotReady: when the list, an image or the scratch space is missing, or the tensors kept are of another kind.
    """
    assert data.map_path is not None and data.tensor_path is not None
    images = resolve_path(data.path, scratch, source=data.source)
    listed = resolve_path(data.map_path, scratch, source=data.source, kind="file")
    names, labels = read_val_map(listed)
    if len(names) != data.sample_count:
        raise NotReady(
            f"{listed} lists {len(names)} images, and data.sample_count is {data.sample_count}: get the whole "
            f"list, or set data.sample_count={len(names)}."
        )
    try:
        there = {entry.name for entry in os.scandir(images)}
    except OSError as error:
        raise NotReady(f"{images} is no folder of images that can be read: {error.strerror}.") from error
    missing = [name for name in names if name not in there]
    if missing:
        raise NotReady(
            f"{images} lacks {len(missing)} of the {len(names)} images that {listed} lists, {missing[0]} the first. "
            f"Get them: {data.source or 'see the benchmark page'}. Put them at {images}, without folders in between."
        )
    return ImageNet(images, _tensor_folder(data.tensor_path, scratch, options), names, labels, options)


def read_val_map(path: Path) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Names and labels from lines such as ``ILSVRC2012_val_00000001.JPEG 65``.

    Raises:
        NotReady: when the file is no text, or a line has another form.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotReady(f"{path} cannot be read: {error}. Get MLPerf's val_map.txt.") from error
    names, labels = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdecimal():
            raise NotReady(f"{path}:{number} is {line!r}, not a file name and its label: get MLPerf's val_map.txt.")
        names.append(name.strip())
        labels.append(int(label))
    return tuple(names), np.array(labels, np.int64)


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """An image file as RGB, shape [rows, columns, 3], turned as its EXIF orientation says.

    Raises:
        NotReady: when Pillow is absent, or the file is damaged.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise NotReady("Preparing ImageNet's images needs Pillow: pip install 'mlperf-registry[imagenet]'") from error
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise NotReady(f"{path} cannot be decoded: {error}. Get the file again.") from error


def prepare(image: npt.NDArray[np.uint8], options: ResNet50Options) -> npt.NDArray[np.float32]:
    """One network input, float32 [3, height, width], C-contiguous.

    Source: ``pre_process_vgg`` of MLPerf's reference, vision/classification_and_detection/python/dataset.py.
    """
    shorter = options.resize or min(image.shape[:2])
    cropped = resize_and_crop(image, shorter, options.height, options.width).astype(np.float32)
    cropped -= np.array(options.mean, np.float32)
    cropped /= np.array(options.scale, np.float32)
    return np.ascontiguousarray(cropped.transpose(2, 0, 1))


def _tensor_folder(location: str, scratch: Path | None, options: ResNet50Options) -> Path:
    """The folder of kept tensors, made where it is not there, refused where other options filled it."""
    folder = Path(location)
    if not folder.is_absolute():
        if scratch is None:
            raise NotReady(f"{location} lies in the scratch space: set ${SCRATCH_VARIABLE} to its folder.")
        folder = scratch / folder
    recipe: dict[str, Any] = attrs.asdict(options, filter=attrs.filters.exclude("image_source", "label_offset"))
    wanted = json.loads(json.dumps(recipe))
    record = folder / _RECIPE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not record.exists() and next(folder.glob("*.npy"), None) is None:
            atomic.write_json(record, wanted)
        kept = json.loads(record.read_text()) if record.exists() else None
    except (OSError, ValueError) as error:
        raise NotReady(f"The folder of preprocessed images {folder} cannot be used: {error}.") from error
    if kept != wanted:
        made = "there is no record of how" if kept is None else f"with {kept}, and the config says {wanted}"
        raise NotReady(
            f"{folder} holds images that were prepared otherwise: {made}. Empty it, or choose another data.tensor_path."
        )
    return folder
