"""The NUMA string, in NVIDIA's form: for each NUMA node, in the order of the nodes, its GPUs and CPU cores.

``0-3:0-27&4-7:28-55`` gives node 0 four GPUs and 28 cores. In ``&0:8-15`` node 0 has nothing; ``0-7&8-15`` has no GPUs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import attrs

from mlperf_registry.schema.knob import Range

MAX_NODES = 1024
"""NUMA nodes that Linux can number."""
HIGHEST = 9999
"""The highest number of a CPU or GPU that a string takes; Linux numbers no CPU so high."""

_RANGE = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")


@attrs.frozen
class NumaSegment:
    """What a string gives one NUMA node. Empty: the node is left out."""

    gpus: tuple[int, ...] = ()
    """GPUs as CUDA numbers them, ascending; where there are any, there are cores."""
    cpus: tuple[int, ...] = ()
    """Logical CPUs as Linux numbers them, ascending."""


def parse(string: str) -> tuple[NumaSegment, ...]:
    """The segments of a string, node 0's first; none of the empty string.

    Raises:
        ValueError: naming the first character, counted from 1, of what is wrong.
    """
    segments: list[NumaSegment] = []
    start = 1
    for written in string.split("&") if string else ():
        segments.append(_segment(written, start))
        start += len(written) + 1
    if len(segments) > MAX_NODES:
        raise ValueError(f"it has {len(segments)} nodes, and Linux numbers {MAX_NODES} at most")
    return tuple(segments)


def text(segments: Iterable[NumaSegment]) -> str:
    """The string of some segments: the shortest that ``parse`` makes them of."""
    return "&".join(
        f"{ranges(segment.gpus)}:{ranges(segment.cpus)}" if segment.gpus else ranges(segment.cpus)
        for segment in segments
    )


def parse_ranges(string: str, start: int = 1) -> tuple[int, ...]:
    """The numbers of a list such as ``0-3,8``, ascending.

    Args:
        string: the list.
        start: place of its first character, for what is said of a wrong one.

    Raises:
        ValueError: as ``parse`` does.
    """
    numbers: set[int] = set()
    for written in string.split(","):
        found = _RANGE.fullmatch(written)
        if found is None:
            raise ValueError(f"character {start}: {written!r} is no number up to {HIGHEST} and no range such as 0-3")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"character {start}: {written!r} goes down, write {last}-{first}")
        named = range(first, last + 1)
        if not numbers.isdisjoint(named):
            raise ValueError(f"character {start}: {written!r} names a number again")
        numbers.update(named)
        start += len(written) + 1
    return tuple(sorted(numbers))


def ranges(numbers: Iterable[int]) -> str:
    """The shortest list of distinct numbers, such as ``0-3,8``."""
    runs = groupby(enumerate(sorted(numbers)), key=lambda placed: placed[1] - placed[0])
    ends = [(run[0], run[-1]) for run in ([number for _, number in run] for _, run in runs)]
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)


@attrs.frozen
class _Form(Range):
    """A Check that says where a string is wrong."""

    def __call__(self, value: Any) -> str | None:
        try:
            parse(value)
        except ValueError as error:
            return f"must be {self.words}: {error}"
        return None


def _holds(value: Any) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


numa_form = _Form("text such as '0-3:0-27&4-7:28-55'", _holds)
"""Strings that ``parse`` takes."""


def _segment(written: str, start: int) -> NumaSegment:
    if not written:
        return NumaSegment()
    gpus, colon, cpus = written.partition(":")
    if not colon:
        return NumaSegment(cpus=parse_ranges(written, start))
    return NumaSegment(parse_ranges(gpus, start), parse_ranges(cpus, start + len(gpus) + 1))
