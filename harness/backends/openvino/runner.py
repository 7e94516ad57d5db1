"""OpenVINORunner: the shared runner of language models, over one pipeline on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.backends.openvino.core import OpenVINOCore, Tuning
from harness.cores import usable_cores
from harness.llm.core import Core
from harness.llm.runner import LLMRunner
from mlperf_registry.schema.run import Run
from mlperf_registry.schema.workload import Workload

_HINTS = {"fp32": "f32", "bf16": "bf16"}
"""``builder.precision`` to OpenVINO's name."""


class OpenVINORunner(LLMRunner):
    """Feeds the one core that there is."""

    def cores(self, run: Run) -> Sequence[Core]:
        """See LLMRunner."""
        return [OpenVINOCore(Path(run.engine.path), tuning_of(run.workload))]


def tuning_of(workload: Workload) -> Tuning:
    """What a workload says of computing and batching; the flags of the executor win over the backend's defaults."""
    options, flags = workload.backend.options, workload.llm.trtllm_runtime_flags
    precision = "f32" if workload.builder.precision is None else _HINTS[workload.builder.precision.only()]
    cache = options.kv_cache_precision or ("f32" if precision == "f32" else None)
    return Tuning(
        properties={
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": str(options.inference_num_threads or usable_cores()),
            **({} if cache is None else {"KV_CACHE_PRECISION": cache}),
        },
        max_num_batched_tokens=flags.max_num_tokens or options.max_num_batched_tokens,
        max_num_seqs=flags.max_batch_size or options.max_num_seqs,
    )
