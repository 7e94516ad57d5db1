"""VllmRunner: the shared runner of language models, over one vLLM engine for each group of GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.backends.vllm.core import VllmCore
from harness.backends.vllm.library import make_engine
from harness.llm.core import Core
from harness.llm.devices import are_named, device_groups, named, visible
from harness.llm.engine_file import EngineFile
from harness.llm.process import ProcessCore
from harness.llm.runner import LLMRunner
from mlperf_registry.schema.run import Run


class VllmRunner(LLMRunner):
    """A Runner whose engine forms batches."""

    def cores(self, run: Run) -> Sequence[Core]:
        """One for each group of GPUs.

        Raises:
            NotReady: when the engine file or the checkpoint is missing.
            ConfigError: as ``device_groups``.
        """
        engine, workload = EngineFile.read(run.engine), run.workload
        groups = device_groups(workload)
        if len(groups) > 1:  # each with an interpreter of its own, which the tokens of eight GPUs would fill
            return [
                ProcessCore(
                    named(group),
                    partial(VllmCore, named(group), partial(make_engine, engine.checkpoint, engine.arguments, None)),
                    {"CUDA_VISIBLE_DEVICES": visible(group)},
                )
                for group in groups
            ]
        (group,) = groups
        devices = group if are_named(workload) else None
        return [VllmCore(named(group), partial(make_engine, engine.checkpoint, engine.arguments, devices))]
