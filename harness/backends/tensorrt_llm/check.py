"""check(): what TensorRT-LLM cannot be told, before any checkpoint is looked for."""

from __future__ import annotations

from harness.backends.tensorrt_llm.arguments import load_arguments
from harness.llm.devices import device_groups
from mlperf_registry import plugins
from mlperf_registry.schema.problem import Problem, problems_in
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import values_at


def check(workload: Workload) -> tuple[Problem, ...]:
    """See BackendPlugin."""
    values = values_at(workload, plugins.backend("tensorrt_llm").reads)
    return problems_in(lambda: device_groups(workload), lambda: load_arguments(values))
