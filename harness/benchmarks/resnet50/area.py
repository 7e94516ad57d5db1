"""Image resizing by pixel area, as OpenCV's INTER_AREA does it, which MLPerf's reference preprocessing uses.

Written with NumPy because Pillow's box filter weighs border pixels otherwise: accuracy would not be the reference's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def resize_and_crop(image: npt.NDArray[np.uint8], shorter: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Resize so that the shorter side has ``shorter`` pixels, keeping the aspect, and take the central crop.

    Args:
        image: shape [rows, columns, channels].
        shorter: length of the shorter side after resizing, in pixels.
        height: rows of the crop, at most ``shorter``.
        width: columns of the crop, at most ``shorter``.

    Returns:
        Shape [height, width, channels].
    """
    rows, columns, channels = image.shape
    if rows > columns:
        new_rows, new_columns = int(shorter * rows / columns), shorter
    else:
        new_rows, new_columns = shorter, int(shorter * columns / rows)
    weights = shrinking if rows >= new_rows and columns >= new_columns else enlarging
    # Cropping the weights instead of the result leaves out what nobody sees.
    vertical = weights(rows, new_rows)[_central(new_rows, height)]
    horizontal = weights(columns, new_columns)[_central(new_columns, width)]
    planes = image.transpose(0, 2, 1).astype(np.float32)
    sums = vertical @ (planes @ horizontal.T).reshape(rows, channels * width)
    resized: npt.NDArray[np.float32] = sums.reshape(height, channels, width).transpose(0, 2, 1)
    # OpenCV rounds halves up where it exactly halves an image, and to even otherwise.
    halved = (rows, columns) == (2 * new_rows, 2 * new_columns)
    whole: npt.NDArray[np.float32] = np.floor(resized + 0.5) if halved else np.rint(resized)
    return whole.clip(0, 255).astype(np.uint8)


def shrinking(source: int, target: int) -> npt.NDArray[np.float32]:
    """Share of each source pixel in each target pixel's area, shape [target, source]; ``source >= target``."""
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    covered: npt.NDArray[np.float64] = np.minimum(pixels + 1, edges[1:, np.newaxis]) - np.maximum(
        pixels, edges[:-1, np.newaxis]
    )
    return (covered.clip(0) * (target / source)).astype(np.float32)


def enlarging(source: int, target: int) -> npt.NDArray[np.float32]:
    """Weights of the interpolation that INTER_AREA falls back to where an axis grows, shape [target, source].

    Linear between two pixels, but only as far as the target pixel reaches into the second one.
    """
    position = np.arange(target)
    first = np.floor(position * (source / target)).astype(np.int64)
    reach = (position + 1) - (first + 1) * (target / source)
    second_weight = np.where(reach > 0, reach - np.floor(reach), 0.0)
    weights = np.zeros((target, source))
    np.add.at(weights, (position, first), 1 - second_weight)
    np.add.at(weights, (position, np.minimum(first + 1, source - 1)), second_weight)
    return weights.astype(np.float32)


def _central(length: int, wanted: int) -> slice:
    return slice(int((length - wanted) / 2), int((length + wanted) / 2))
