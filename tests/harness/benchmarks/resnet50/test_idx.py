"""The mini's data: idx files read, normalised, and refused when they are not what the config says."""

from __future__ import annotations

import gzip
from pathlib import Path

import attrs
import numpy as np
import pytest

from harness.benchmarks.resnet50.data import open_images
from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.sections import Data

OPTIONS = ResNet50Options(image_source="idx", height=4, width=6, channels=1, mean=(50.0,), scale=(20.0,))
PIXELS = (np.arange(3 * 4 * 6) * 3 % 256).astype(np.uint8).reshape(3, 4, 6)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def data(tmp_path: Path) -> Data:
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(PIXELS)))
    (tmp_path / "labels").write_bytes(idx(np.array([7, 0, 9])))
    return Data(path=str(tmp_path / "images.gz"), map_path=str(tmp_path / "labels"), sample_count=3)


def test_images_come_out_normalised(data: Data) -> None:
    dataset = open_images(data, OPTIONS, None)
    batch = dataset.load(np.array([2, 0]))["image"]
    assert (batch.dtype, batch.shape, batch.flags.c_contiguous) == (np.float32, (2, 1, 4, 6), True)
    assert batch[:, 0] == pytest.approx((PIXELS[[2, 0]].astype(float) - 50) / 20)
    assert dataset.labels.tolist() == [7, 0, 9]
    assert len(dataset) == 3


def test_paths_relative_to_the_scratch_space(data: Data, tmp_path: Path) -> None:
    relative = attrs.evolve(data, path="images.gz", map_path="labels")
    assert len(open_images(relative, OPTIONS, tmp_path)) == 3


@pytest.mark.parametrize("change", [{"height": 5}, {"width": 4}])
def test_images_of_another_size(data: Data, change: dict[str, int]) -> None:
    with pytest.raises(NotReady, match=r"shape \(3, 4, 6\)"):
        open_images(data, attrs.evolve(OPTIONS, **change), None)


def test_another_number_of_samples(data: Data) -> None:
    with pytest.raises(NotReady, match=r"data\.sample_count"):
        open_images(attrs.evolve(data, sample_count=4), OPTIONS, None)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(idx(PIXELS))[:-20],
        gzip.compress(idx(PIXELS)[:-1]),
        b"",
        b"\0\0\x0d\x03" + bytes(40),
        b"\0\0\x08\x03",
    ],
    ids=["gzip cut off", "pixels missing", "empty", "floats", "header only"],
)
def test_a_damaged_file(data: Data, content: bytes) -> None:
    Path(data.path).write_bytes(content)
    with pytest.raises(NotReady, match=r"images\.gz cannot be read: .*Get the file again"):
        open_images(data, OPTIONS, None)


@pytest.mark.parametrize("field", ["path", "map_path"])
def test_a_folder_where_a_file_belongs(data: Data, tmp_path: Path, field: str) -> None:
    with pytest.raises(NotReady, match=f"{tmp_path} is no file"):
        open_images(attrs.evolve(data, **{field: str(tmp_path)}), OPTIONS, None)


def test_a_missing_file_says_where_to_get_it(data: Data) -> None:
    with pytest.raises(NotReady, match="from the moon"):
        open_images(attrs.evolve(data, path="/nowhere/images.gz", source="from the moon"), OPTIONS, None)
