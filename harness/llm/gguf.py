"""Reads GGUF, the format of a whole language model in one file: its settings, its tokeniser and its weights.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; blocks of quantised weights: ggml-common.h there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import numpy as np
import numpy.typing as npt

from mlperf_registry.schema.problem import NotReady

_MAGIC = b"GGUF"
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""GGUF's code of a number's type, and struct's."""
_STRING, _ARRAY = 8, 9
_ALIGNMENT = "general.alignment"

Weights = npt.NDArray[np.float32]


@attrs.frozen(eq=False)
class Gguf:
    """A GGUF file."""

    path: Path
    metadata: Mapping[str, Any]
    """Numbers, strings, and lists of them."""
    tensors: Mapping[str, _Place]

    @classmethod
    def read(cls, path: Path) -> Gguf:
        """The head of a file; weights are read when they are asked for.

        Raises:
            NotReady: when there is no such file, it is not GGUF, or it is cut short.
        """
        try:
            with path.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    raise NotReady(f"{path} is no GGUF file: it does not begin with GGUF.")
                version, count, pairs = (_number(file, code) for code in "IQQ")
                if version not in (2, 3):
                    raise NotReady(f"{path} is GGUF version {version}, and 2 and 3 are read: convert it.")
                metadata = {_string(file): _value(file, _number(file, "I")) for _ in range(pairs)}
                tensors = dict(_tensor(file) for _ in range(count))
                alignment = metadata.get(_ALIGNMENT, 32)
                start = math.ceil(file.tell() / alignment) * alignment
        except (struct.error, KeyError, UnicodeDecodeError, MemoryError) as error:
            raise NotReady(f"{path} is a damaged GGUF file ({error}): get it again.") from error
        except OSError as error:
            raise NotReady(f"{path} cannot be read: {error.strerror}.") from error
        places = {name: attrs.evolve(place, offset=start + place.offset) for name, place in tensors.items()}
        return cls(path, metadata, places)

    def weights(self, name: str) -> Weights:
        """A tensor as the numbers that its blocks stand for, in C order.

        Raises:
            NotReady: when the file has no such tensor, or has it in a format that is not read.
        """
        place = self.tensors.get(name)
        if place is None:
            raise NotReady(f"{self.path} has no tensor {name}: it is not a model of the kind that it says it is.")
        blocks = _FORMATS.get(place.format)
        if blocks is None:
            raise NotReady(
                f"{self.path} has {name} in GGUF's format {place.format}, and F32, F16, BF16, Q4_0, Q4_1 and Q8_0 are "
                "read: requantise it."
            )
        size = math.prod(place.shape) // blocks.weights * blocks.bytes
        raw = np.fromfile(self.path, np.uint8, size, offset=place.offset)
        if len(raw) < size:
            raise NotReady(f"{self.path} is cut short: get it again.")
        return blocks.read(raw.reshape(-1, blocks.bytes)).reshape(place.shape)


@attrs.frozen
class _Place:
    """Where a tensor is."""

    shape: tuple[int, ...]
    format: int
    offset: int


@attrs.frozen
class _Blocks:
    """A format of weights: so many of them in a block of so many bytes."""

    weights: int
    bytes: int
    read: Callable[[npt.NDArray[np.uint8]], Weights]
    """uint8 [blocks, bytes] to float32 [blocks, weights]."""


def _halves(raw: npt.NDArray[np.uint8], first: int) -> Weights:
    """The number in half precision at a byte of each block, [blocks, 1]."""
    return np.ascontiguousarray(raw[:, first : first + 2]).view(np.float16).astype(np.float32)


def _nibbles(raw: npt.NDArray[np.uint8]) -> Weights:
    return np.concatenate((raw & 15, raw >> 4), axis=1).astype(np.float32)


def _bfloats(raw: npt.NDArray[np.uint8]) -> Weights:
    return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


_FORMATS = {
    0: _Blocks(1, 4, lambda raw: raw.view(np.float32)),  # F32
    1: _Blocks(1, 2, lambda raw: raw.view(np.float16).astype(np.float32)),  # F16
    2: _Blocks(32, 18, lambda raw: (_nibbles(raw[:, 2:]) - 8) * _halves(raw, 0)),  # Q4_0
    3: _Blocks(32, 20, lambda raw: _nibbles(raw[:, 4:]) * _halves(raw, 0) + _halves(raw, 2)),  # Q4_1
    8: _Blocks(32, 34, lambda raw: raw[:, 2:].view(np.int8) * _halves(raw, 0)),  # Q8_0
    30: _Blocks(1, 2, _bfloats),  # BF16
}


def _tensor(file: BinaryIO) -> tuple[str, _Place]:
    name = _string(file)
    # GGUF names the axis that varies fastest first.
    sides = [_number(file, "Q") for _ in range(_number(file, "I"))]
    return name, _Place(tuple(reversed(sides)), _number(file, "I"), _number(file, "Q"))


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _number(file, _NUMBERS[kind])
    element, count = _number(file, "I"), _number(file, "Q")
    if element not in _NUMBERS:
        return [_value(file, element) for _ in range(count)]
    layout = f"<{count}{_NUMBERS[element]}"
    return list(struct.unpack(layout, file.read(struct.calcsize(layout))))


def _number(file: BinaryIO, code: str) -> Any:
    (number,) = struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))
    return number


def _string(file: BinaryIO) -> str:
    return file.read(_number(file, "Q")).decode()
