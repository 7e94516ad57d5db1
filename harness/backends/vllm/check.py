"""check(): what vLLM cannot be told, before any checkpoint is looked for."""

from __future__ import annotations

from harness.backends.vllm.arguments import further_arguments
from harness.llm.devices import device_groups
from harness.llm.precision import only
from harness.llm.unsaid import refuse_unsaid
from mlperf_registry import plugins
from mlperf_registry.schema.problem import Problem, problems_in
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import values_at


def check(workload: Workload) -> tuple[Problem, ...]:
    """See BackendPlugin."""
    reads = plugins.backend("vllm").reads
    values = values_at(workload, reads)
    return problems_in(
        lambda: device_groups(workload),
        lambda: further_arguments(values),
        lambda: only(values.get("builder.precision")),
        lambda: refuse_unsaid(workload, reads, "vLLM", "in backend.options.engine_args"),
    )
