"""check(): what TensorRT Edge-LLM does not do, and limits that no engine is built for, before a board is looked for."""

from __future__ import annotations

from harness.backends.tensorrt_edgellm.steps import Limits, quantised_cache
from harness.llm.devices import device_groups
from mlperf_registry import plugins
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.problem import ConfigError, Problem, problems_in
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import values_at


def check(workload: Workload) -> tuple[Problem, ...]:
    """See BackendPlugin."""
    options: LlmOptions = workload.benchmark.options
    values = values_at(workload, plugins.backend("tensorrt_edgellm").reads)
    return problems_in(
        lambda: require_one_gpu(workload),
        lambda: Limits.of(values),
        lambda: quantised_cache(values),
        lambda: require_no_shortest(options.min_output_tokens),
    )


def require_one_gpu(workload: Workload) -> None:
    """Refuse more than one GPU, and another than the first.

    Raises:
        ConfigError: see above.
    """
    if device_groups(workload) != ((0,),):
        message = "TensorRT Edge-LLM runs on one GPU here, the first that CUDA shows"
        raise ConfigError([Problem("runtime.gpu_indices", message, hint="[0], and CUDA_VISIBLE_DEVICES chooses it")])


def require_no_shortest(min_output_tokens: int) -> None:
    """Refuse answers of a least length.

    Raises:
        ConfigError: see above.
    """
    if min_output_tokens > 1:
        message = f"is {min_output_tokens}, and TensorRT Edge-LLM cannot put off the end of an answer"
        raise ConfigError([Problem("benchmark.options.min_output_tokens", message, hint="1")])
