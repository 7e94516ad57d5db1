"""EdgeLlmRunner: LoadGen's samples through one engine of TensorRT Edge-LLM."""

from __future__ import annotations

from collections.abc import Sequence

from harness.backends.tensorrt_edgellm.check import require_one_gpu
from harness.backends.tensorrt_edgellm.core import EdgeLlmCore
from harness.backends.tensorrt_edgellm.record import read_record
from harness.llm.core import Core
from harness.llm.runner import LLMRunner
from mlperf_registry.schema.run import Run


class EdgeLlmRunner(LLMRunner):
    """Feeds the one core that there is."""

    def cores(self, run: Run) -> Sequence[Core]:
        """See LLMRunner.

        Raises:
            ConfigError: when more than one GPU, or another than the first, is to be used.
            NotReady: as ``read_record``.
        """
        require_one_gpu(run.workload)
        record, folder = read_record(run.engine)
        return [EdgeLlmCore(folder, record, cuda_graphs=run.workload.backend.options.cuda_graphs)]
