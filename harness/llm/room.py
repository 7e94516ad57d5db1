"""Room: whether the prompts that are loaded leave every core room for their answers; known before the first query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from harness.benchmarks.dataset import Ragged
from harness.llm.core import Bounded, Core
from harness.loadgen.qsl import Array
from mlperf_registry.schema.problem import RunFailed


@attrs.frozen
class Room:
    """A Holder of the QSL that only looks at what is loaded.

    Args:
        column: name of the prompts' column.
        cores: all of the run, open.
        answer: most tokens of an answer.
    """

    column: str
    cores: Sequence[Core]
    answer: int

    def hold(self, columns: Mapping[str, Array | Ragged]) -> None:
        """Check the samples.

        Raises:
            RunFailed: when a prompt and its answer may be more than a core takes.
        """
        prompts = columns[self.column]
        prompt = int(np.diff(prompts.offsets).max(initial=0)) if isinstance(prompts, Ragged) else prompts.shape[-1]
        for core in self.cores:
            most = core.longest if isinstance(core, Bounded) else None
            if most is not None and prompt + self.answer > most:
                raise RunFailed(
                    f"{core.name} takes {most:,} tokens of prompt and answer together, and the longest prompt has "
                    f"{prompt:,}, its answer up to {self.answer:,}. Give the engine more, or cut prompts by "
                    "benchmark.options.max_input_tokens."
                )

    def drop(self) -> None:
        """Nothing was kept."""
