from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.detect.linux_lists import parse_list
from mlperf_registry.schema.numa_string import ranges


@given(st.sets(st.integers(0, 300)))
def test_a_list_and_its_text_are_inverse(numbers):
    assert parse_list(ranges(numbers)) == tuple(sorted(numbers))


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("\n", ()), ("0\n", (0,)), ("0-2,8", (0, 1, 2, 8)), ("8,0-1", (0, 1, 8))]
)
def test_the_kernels_lists_are_read(text, numbers):
    assert parse_list(text) == numbers


def test_something_else_is_refused():
    with pytest.raises(ValueError):
        parse_list("none")
