"""TensorRTLLMRunner: the shared runner of language models, over one TensorRT-LLM instance for each group of GPUs.

Several instances have a process each: an instance takes the GPUs that its process sees, and a process's Python time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.backends.tensorrt_llm.arguments import PYTORCH_ONLY, merged, run_arguments
from harness.backends.tensorrt_llm.core import TensorRTLLMCore
from harness.backends.tensorrt_llm.library import ExecutionPath
from harness.llm.core import Core
from harness.llm.devices import are_named, device_groups, named, visible
from harness.llm.engine_file import EngineFile
from harness.llm.process import ProcessCore
from harness.llm.runner import LLMRunner
from mlperf_registry.schema.run import Run


class TensorRTLLMRunner(LLMRunner):
    """A Runner whose engine forms batches."""

    def cores(self, run: Run) -> Sequence[Core]:
        """One for each group of GPUs.

        Raises:
            NotReady: when the engine file or the checkpoint is missing.
            ConfigError: as ``device_groups``.
        """
        engine, workload = EngineFile.read(run.engine), run.workload
        path: ExecutionPath = workload.llm.trtllm_runtime_flags.trtllm_backend or "pytorch"
        arguments = merged(merged(engine.arguments, run_arguments(workload.llm)), workload.backend.options.llm_args)
        if path == "cpp":
            arguments = {name: value for name, value in arguments.items() if name not in PYTORCH_ONLY}
        groups = device_groups(workload)
        make = [partial(TensorRTLLMCore, named(group), engine.checkpoint, path, arguments) for group in groups]
        if len(groups) == 1 and not are_named(workload):
            return [make[0]()]
        return [
            ProcessCore(named(group), core, {"CUDA_VISIBLE_DEVICES": visible(group)})
            for group, core in zip(groups, make, strict=True)
        ]
