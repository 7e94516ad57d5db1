"""From a workload to what its builder may read: one builder serves families with different options."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlperf_registry.execute.recipe import make_recipe, value_at
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import NotReady


@pytest.fixture(scope="module")
def registry(checkout: Path) -> Registry:
    return Registry.load(checkout / "conf", plugins=())


def test_an_option_that_the_family_lacks_is_skipped(registry: Registry) -> None:
    workload = registry.get(benchmark="resnet50-mini")
    assert value_at(workload, "benchmark.options.nms_type") is None
    assert value_at(workload, "backend.options.graph_optimization.deeper") is None
    assert value_at(workload, "builder.workspace_size") == (None, True)
    assert value_at(workload, "builder.precision") == ({"resnet50": "fp32"}, False)


def test_an_option_of_a_family_without_options_is_skipped(registry: Registry) -> None:
    workload = registry.get(benchmark="yolo")
    assert workload.benchmark.options is None
    assert value_at(workload, "benchmark.options.nms_type") is None


def test_a_benchmark_without_a_harness_is_not_ready_before_anything_is_built(registry: Registry) -> None:
    with pytest.raises(NotReady, match="no harness for benchmarks of the family bert"):
        make_recipe(registry.get(benchmark="bert"), None)
