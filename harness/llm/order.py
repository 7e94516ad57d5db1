"""Order of an Offline query by the length of its prompts: alike ones together waste less, long ones first end sooner.

The rules let samples be sorted within a query; the queries of other scenarios have one sample.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
"""Shape [n]: a permutation of range(n)."""


def longest_first(lengths: npt.NDArray[np.int64], segments: int = 1) -> Positions:
    """In which order to submit prompts.

    Args:
        lengths: tokens of each prompt in the order of issue, shape [n].
        segments: cut what was issued into so many parts of equal count, and sort within each (llm.num_sort_segments):
            an engine that gets short prompts among the long ones fills its steps better.

    Returns:
        Positions in ``lengths``, the longest prompts of each part first, equal ones as issued.
    """
    parts = np.array_split(np.arange(len(lengths)), segments)
    return np.concatenate([part[np.argsort(-lengths[part], kind="stable")] for part in parts])
