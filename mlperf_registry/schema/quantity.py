"""Durations and memory sizes as text with a unit: ``40min``, ``15ms``, ``7GiB``.

A bare number is accepted only where the field's name carries the unit; see ``knob``.
"""

from __future__ import annotations

import re
from functools import lru_cache

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
}
"""Unit of time to its nanoseconds, smallest first."""
BYTES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""Unit of size to its bytes."""
_SCALES = {unit: (NANOSECONDS, NANOSECONDS[unit]) for unit in NANOSECONDS} | {
    unit: (BYTES, BYTES[unit]) for unit in BYTES
}
_QUANTITY = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]+)\s*")


def is_quantity_unit(unit: str | None) -> bool:
    """Whether values of ``unit`` may be written as text with a unit."""
    return unit in _SCALES


@lru_cache(maxsize=4096)  # the same few texts come back in every cell of the matrix
def parse_quantity(text: str, unit: str) -> int:
    """``text`` in ``unit``, which must come out whole: ``parse_quantity("40min", "ms") == 2_400_000``.

    Raises:
        ValueError: with a sentence, when ``text`` is no number with a unit of the same kind, or not whole in ``unit``.
    """
    scale, one = _SCALES[unit]
    match = _QUANTITY.fullmatch(text)
    if match is None or match["unit"] not in scale:
        raise ValueError(f"{text!r} is not a quantity such as {example(unit)!r}; units: {', '.join(scale)}")
    digits, _, decimals = match["number"].partition(".")
    ten_to_decimals: int = 10 ** len(decimals)
    value, rest = divmod(int(digits + decimals) * scale[match["unit"]], one * ten_to_decimals)
    if rest:
        raise ValueError(f"{text!r} is not a whole number of {unit}")
    return value


def example(unit: str) -> str:
    """A well-formed value of the same kind as ``unit``."""
    return "16GiB" if unit in BYTES else "10min"
