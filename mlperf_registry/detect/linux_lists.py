"""Linux' lists of numbers, "0-3,8-11": how the kernel writes sets of CPUs and nodes.

More is a list to the kernel than in a NUMA string: an empty text is one, and its lines end. `ranges` there writes both.
"""

from __future__ import annotations

from mlperf_registry.schema.numa_string import HIGHEST


def parse_list(text: str) -> tuple[int, ...]:
    """The numbers, ascending; none of an empty list.

    Raises:
        ValueError: when it is no such list, or names what no Linux has.
    """
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        if int(last or first) > HIGHEST:
            raise ValueError(f"{part} is more than Linux counts")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))
