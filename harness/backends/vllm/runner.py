"""VllmRunner: the shared runner of language models, over one vLLM engine for each group of GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.backends.vllm.core import VllmCore
from harness.backends.vllm.library import make_engine
from harness.llm.core import Core
from harness.llm.devices import device_groups, named
from harness.llm.engine_file import EngineFile
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
        engine, groups = EngineFile.read(run.engine), device_groups(run.workload)
        return [
            VllmCore(named(devices), partial(make_engine, engine.checkpoint, engine.arguments, devices))
            for devices in groups
        ]
