"""The cell that GPUs are measured with: ResNet-50 with random weights in INT8, and what a command changes in it."""

from __future__ import annotations

from collections.abc import Iterable

from mlperf_registry import Registry
from mlperf_registry.schema.workload import Workload

CELL = (
    "system=DGX-H100_H100-SXM-80GBx1",
    "benchmark=resnet50",
    "scenario=offline",
    "backend=tensorrt",
    "tuned_round=none",
    "mode=test_run",
    "model.weights=random",
    "builder.precision=int8",
    "builder.input_dtype=int8",
    "builder.input_format=linear",
    "builder.cache_file=package:harness/benchmarks/resnet50/random.calibration",
    # cuBLAS and cuDNN are no part of TensorRT 8.6's wheel.
    "builder.tactic_sources=[edge_mask_convolutions,jit_convolutions]",
    "builder.gpu_batch_size=1024",
    "runtime.gpu_inference_streams=2",
    "runtime.gpu_copy_streams=4",
    "runtime.use_graphs=true",
    "loadgen.test_mode=PerformanceOnly",
)
"""Overrides, as for ``mlperf run``; nothing of a tuned round, so that all that matters is said."""


def merged(overrides: Iterable[str]) -> list[str]:
    """``CELL`` with what ``overrides`` say otherwise, the later one of two for a field; ``~field`` takes one away."""
    values = dict(text.split("=", 1) for text in CELL)
    for text in overrides:
        key, _, value = text.partition("=")
        if key.startswith("~"):
            values.pop(key[1:], None)
        else:
            values[key] = value
    return [f"{key}={value}" for key, value in values.items()]


def workload(overrides: Iterable[str]) -> Workload:
    """The typed configuration of ``merged`` overrides."""
    return exactly(merged(overrides))


def exactly(overrides: Iterable[str]) -> Workload:
    """The typed configuration of these overrides alone."""
    registry = Registry.load()
    return registry.structure(registry.compose(list(overrides)))
