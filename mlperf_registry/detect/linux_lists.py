"""Linux' lists of numbers, "0-3,8-11": how the kernel writes sets of CPUs and nodes."""

from __future__ import annotations

from collections.abc import Iterable


def parse_list(text: str) -> tuple[int, ...]:
    """The numbers, ascending; none of an empty list.

    Raises:
        ValueError: when it is no such list.
    """
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def list_text(numbers: Iterable[int]) -> str:
    """The shortest list of ``numbers``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
