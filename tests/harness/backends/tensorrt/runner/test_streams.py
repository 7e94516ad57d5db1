"""How many lanes, contexts and threads a config makes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness.backends.tensorrt.lane import ladder
from harness.backends.tensorrt.streams import Streams, lay_out
from mlperf_registry.schema.sections import Runtime


def laid_out(scenario="Offline", max_batch=256, samples_per_query=None, **runtime):
    return lay_out(Runtime(**runtime), scenario, max_batch=max_batch, samples_per_query=samples_per_query)


@pytest.mark.parametrize(
    ("runtime", "lanes", "contexts"),
    [
        ({}, 3, 1),
        ({"gpu_inference_streams": 3}, 7, 3),
        ({"gpu_copy_streams": 2}, 2, 1),
        ({"gpu_copy_streams": 4, "gpu_inference_streams": 7}, 7, 7),
        ({"gpu_copy_streams": 9, "gpu_inference_streams": 2}, 9, 2),
        ({"gpu_copy_streams": 4, "run_infer_on_copy_streams": True}, 4, 1),
    ],
)
def test_lanes_and_contexts(runtime, lanes, contexts):
    made = laid_out(**runtime)
    assert (made.lanes, made.contexts, made.inline, made.completers) == (lanes, contexts, False, 1)
    assert made.one_stream == ("run_infer_on_copy_streams" in runtime)


@pytest.mark.parametrize(
    ("scenario", "max_batch", "samples", "inline"),
    [
        ("SingleStream", 1, None, True),
        ("MultiStream", 8, None, True),
        ("MultiStream", 4, None, False),
        ("MultiStream", 16, 24, False),
        ("Server", 256, None, False),
    ],
)
def test_a_query_that_is_one_batch_is_waited_for_in_place(scenario, max_batch, samples, inline):
    made = laid_out(scenario, max_batch, samples, gpu_copy_streams=4)
    assert made.inline == inline
    if inline:
        assert made == Streams(lanes=1, contexts=1, one_stream=True, inline=True, completers=0, waiting="driver")


@pytest.mark.parametrize("largest", [1, 2, 5, 8, 100, 256, 1024])
def test_graphs_waste_little(largest):
    sizes = ladder(largest)
    assert sizes[0] == 1 and sizes[-1] == largest
    assert len(sizes) < 32
    assert all(other <= max(one + 1, 1.25 * one) for one, other in pairwise(sizes))
