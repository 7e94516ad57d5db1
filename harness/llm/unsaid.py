"""refuse_unsaid(): fields that are set for an engine which has no word for them, and would be without effect."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections.llm import BuildFlags, CheckpointFlags, RuntimeFlags
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import value_at

_RUNTIME = "llm.trtllm_runtime_flags"
_FLAGS = {"llm.trtllm_checkpoint_flags": CheckpointFlags, "llm.trtllm_build_flags": BuildFlags, _RUNTIME: RuntimeFlags}
_ENGINE = (
    "builder.precision",
    "llm.tensor_parallelism",
    "llm.pipeline_parallelism",
    "llm.moe_expert_parallelism",
    "llm.kvcache_free_gpu_mem_frac",
    "llm.trtllm_batch_sched_policy",
    *(f"{flags}.{field.name}" for flags, cls in _FLAGS.items() for field in attrs.fields(cls)),
)
_OF_HARNESS = tuple(
    f"{_RUNTIME}.{name}" for name in ("max_concurrency", "workers_per_core", "http_backend", "disable_gc")
)


def refuse_unsaid(workload: Workload, words: Collection[str], engine: str, place: str) -> None:
    """Refuse what is set for an engine that has no word for it.

    Args:
        workload: what is set.
        words: paths of the workload that the engine is told.
        engine: its name in a sentence.
        place: where the user may tell it more, in its own words.

    Raises:
        ConfigError: for each such field.
    """
    unsaid = [
        path
        for path in _ENGINE
        if path not in words and path not in _OF_HARNESS and not (value_at(workload, path) or (None, True))[1]
    ]
    if unsaid:
        message = f"is set, and we have no word of {engine}'s for it"
        hint = f"leave it out, or say it in {engine}'s own words {place}"
        raise ConfigError(Problem(path, message, hint=hint) for path in unsaid)
