"""Resizing by area against the definition, pixel by pixel, and figures that OpenCV gave."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from harness.benchmarks.resnet50.area import enlarging, resize_and_crop, shrinking


def area_of(image: npt.NDArray[np.uint8], row: int, column: int, rows: int, columns: int) -> Fraction:
    """Exact mean of the source area that target pixel (row, column) covers."""
    high, wide = Fraction(image.shape[0], rows), Fraction(image.shape[1], columns)
    total = Fraction(0)
    for y in range(int(row * high), min(image.shape[0], -int(-(row + 1) * high // 1))):
        for x in range(int(column * wide), min(image.shape[1], -int(-(column + 1) * wide // 1))):
            covered_y = min(Fraction(y + 1), (row + 1) * high) - max(Fraction(y), row * high)
            covered_x = min(Fraction(x + 1), (column + 1) * wide) - max(Fraction(x), column * wide)
            total += max(covered_y, Fraction(0)) * max(covered_x, Fraction(0)) * int(image[y, x])
    return total / (high * wide)


@pytest.mark.parametrize(("rows", "columns"), [(15, 20), (20, 15), (11, 11), (29, 13)])
def test_each_pixel_is_the_mean_of_its_area(rows: int, columns: int) -> None:
    image = np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    shorter, crop = 10, 8
    got = resize_and_crop(image, shorter, crop, crop)
    new_rows = int(shorter * rows / columns) if rows > columns else shorter
    new_columns = shorter if rows > columns else int(shorter * columns / rows)
    top, left = int((new_rows - crop) / 2), int((new_columns - crop) / 2)
    for row in range(crop):
        for column in range(crop):
            for channel in range(3):
                exact = area_of(image[:, :, channel], top + row, left + column, new_rows, new_columns)
                assert abs(int(got[row, column, channel]) - exact) <= Fraction(501, 1000)


@pytest.mark.parametrize(
    ("rows", "columns", "pixels", "total"),
    [
        (375, 500, [[27, 58, 89], [119, 117, 82], [106, 53, 78], [142, 120, 151]], 19204852),
        (500, 333, [[148, 179, 210], [56, 73, 104], [128, 65, 80], [123, 146, 153]], 19208792),
        (512, 640, [[189, 220, 123], [130, 97, 128], [159, 190, 93], [175, 78, 109]], 19232823),
        (600, 600, [[41, 61, 92], [160, 121, 113], [124, 94, 119], [119, 150, 181]], 19199211),
        (200, 300, [[205, 14, 45], [97, 128, 159], [139, 170, 201], [116, 146, 177]], 19197406),
    ],
)
def test_what_opencv_gave(rows: int, columns: int, pixels: list[list[int]], total: int) -> None:
    """Figures of cv2.resize(..., interpolation=cv2.INTER_AREA), OpenCV 5.0.0, and the reference's crop."""
    y, x, channel = np.ogrid[:rows, :columns, :3]
    image = ((x * 7 + y * 13 + channel * 31 + (x * y) // 5) % 256).astype(np.uint8)
    got = resize_and_crop(image, 256, 224, 224).astype(int)
    # OpenCV enlarges in fixed point: a pixel may then differ by one.
    tolerance = 1 if min(rows, columns) < 256 else 0
    corners = got[[0, 0, 100, 223], [0, 223, 50, 223]]
    assert np.abs(corners - pixels).max() <= tolerance
    assert abs(int(got.sum()) - total) <= (got.size if tolerance else 2)


@pytest.mark.parametrize(("source", "target"), [(500, 256), (256, 256), (257, 256), (1024, 256), (4999, 256)])
def test_weights_of_a_target_pixel_sum_to_one(source: int, target: int) -> None:
    assert shrinking(source, target).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert enlarging(target, source).sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_a_flat_image_stays_flat() -> None:
    for shape in ((375, 500, 3), (100, 90, 3), (255, 300, 3)):
        assert (resize_and_crop(np.full(shape, 201, np.uint8), 256, 224, 224) == 201).all()


def test_the_same_size_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    assert (resize_and_crop(image, 32, 28, 28) == image[2:30, 6:34]).all()


def test_halves_round_up_where_an_image_is_exactly_halved() -> None:
    image = np.tile(np.array([[0, 1], [0, 1]], np.uint8), (4, 4))[:, :, np.newaxis]
    assert (resize_and_crop(image, 4, 4, 4) == 1).all()
