"""The calibration set: the images that INT8 ranges come from. None of it is scored on another's behalf.

ImageNet's is MLPerf's own list of 500 images of the validation set; the mini's are 500 training images of its data set.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np

from harness.benchmarks.resnet50.data import LabelledImages
from harness.benchmarks.resnet50.idx import IdxImages, read_idx
from harness.benchmarks.resnet50.imagenet import open_imagenet, read_val_map
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.sections import Builder, Data

IDX_FILE = "calibration-images-idx3-ubyte.gz"
"""Beside the data set's images, where ``builder.calib_data_dir`` names no other folder."""
IMAGENET_LIST = "cal_map.txt"
"""Beside the data set's list, where ``builder.calib_data_map`` names no other: lines of "file label", as there."""
_SOURCE = "MLPerf's calibration list, calibration/ImageNet/cal_image_list_option_1.txt, a label after each name"


def open_calibration_set(
    data: Data, builder: Builder, options: ResNet50Options, scratch: Path | None
) -> LabelledImages:
    """The samples to calibrate with, prepared as those of the data set, float32.

    Raises:
        ConfigError: when the config does not say where they lie, or says it by a list where none is used.
        NotReady: when files are missing or damaged.
    """
    if options.image_source == "idx":
        return _idx(data, builder, options, scratch)
    listed = builder.calib_data_map or _beside(data.map_path, IMAGENET_LIST, "data.map_path")
    source = data.source if builder.calib_data_map else _SOURCE
    names, _ = read_val_map(resolve_path(listed, scratch, source=source, kind="file"))
    chosen = attrs.evolve(data, path=builder.calib_data_dir or data.path, map_path=listed, sample_count=len(names))
    return open_imagenet(chosen, options, scratch)


def _idx(data: Data, builder: Builder, options: ResNet50Options, scratch: Path | None) -> LabelledImages:
    if builder.calib_data_map is not None:
        message = f"names a list, and this benchmark's calibration set is one file, {IDX_FILE}, with none"
        hint = "drop it, or builder.calib_data_dir with the folder of that file"
        raise ConfigError([Problem("builder.calib_data_map", message, hint=hint)])
    folder = builder.calib_data_dir
    location = _beside(data.path, IDX_FILE, "data.path") if folder is None else f"{folder}/{IDX_FILE}"
    path = resolve_path(location, scratch, source="images of the training set, as an idx file", kind="file")
    pixels = read_idx(path)
    if pixels.shape[1:] != (options.height, options.width):
        raise NotReady(
            f"{path} holds images of {pixels.shape[1:]} pixels, and the network takes "
            f"{(options.height, options.width)}: get the calibration set of this benchmark's data."
        )
    return IdxImages(pixels, np.zeros(len(pixels), np.int64), options.mean[0], options.scale[0])


def _beside(location: str | None, name: str, field: str) -> str:
    if location is None:
        raise ConfigError([Problem(field, "is not set, and the calibration set lies beside it")])
    folder, _, _ = location.rpartition("/")
    return f"{folder}/{name}" if folder else name
