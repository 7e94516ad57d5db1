"""Order by length: a permutation, longest first within each segment, as issued among equals."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.llm.order import longest_first


@given(st.lists(st.integers(1, 9), max_size=40), st.integers(1, 6))
def test_each_segment_is_sorted_and_keeps_its_samples(lengths, segments):
    lengths = np.array(lengths, np.int64)
    order = longest_first(lengths, segments)
    for part, whole in zip(
        np.array_split(order, segments), np.array_split(np.arange(len(lengths)), segments), strict=True
    ):
        assert sorted(part) == whole.tolist()
        assert part.tolist() == sorted(whole.tolist(), key=lambda at: (-lengths[at], at))
