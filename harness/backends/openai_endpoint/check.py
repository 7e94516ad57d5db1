"""check(): servers that cannot be asked or started as they are configured, before anything is looked for."""

from __future__ import annotations

from harness.backends.openai_endpoint.builder import check_servers
from harness.backends.openai_endpoint.command import check_words
from mlperf_registry.schema.backends.openai_endpoint import OpenAIEndpointOptions
from mlperf_registry.schema.problem import Problem, problems_in
from mlperf_registry.schema.workload import Workload


def check(workload: Workload) -> tuple[Problem, ...]:
    """See BackendPlugin."""
    options: OpenAIEndpointOptions = workload.backend.options
    return problems_in(
        lambda: check_servers(workload.llm.trtllm_server_urls, options.server_command),
        lambda: check_words(workload),
    )
