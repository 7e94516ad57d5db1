"""How many batches go through a GPU side by side, on which streams, and who waits for them."""

from __future__ import annotations

import attrs

from harness.backends.tensorrt.device import Waiting
from mlperf_registry.schema.sections import Runtime, ScenarioName

_SAMPLES_OF_A_MULTISTREAM_QUERY = 8
"""LoadGen's default."""


@attrs.frozen(kw_only=True)
class Streams:
    """The streams of one GPU."""

    lanes: int
    """Batches in flight at most, each with buffers and a copy stream of its own."""
    contexts: int
    """Execution contexts, each with an inference stream and an optimisation profile."""
    one_stream: bool
    """A lane copies on the stream that executes."""
    inline: bool
    """Who submits a batch waits for it too: with one query at a time nothing is gained by another thread."""
    completers: int
    """Threads that wait for batches and report them."""
    waiting: Waiting
    """How they wait."""


def lay_out(runtime: Runtime, scenario: ScenarioName, *, max_batch: int, samples_per_query: int | None) -> Streams:
    """The streams of each GPU.

    With nothing said, an inference stream has two lanes and there is one more, so that a batch waits, samples and all,
    when another has been executed.

    Args:
        runtime: what the config says.
        scenario: the workload's.
        max_batch: the plan's.
        samples_per_query: ``loadgen.multi_stream_samples_per_query``.
    """
    query = 1 if scenario == "SingleStream" else samples_per_query or _SAMPLES_OF_A_MULTISTREAM_QUERY
    if scenario == "SingleStream" or (scenario == "MultiStream" and query <= max_batch):
        return Streams(
            lanes=1,
            contexts=1,
            one_stream=True,
            inline=True,
            completers=0,
            waiting="spinning" if runtime.use_spin_wait else "driver",
        )
    executing = runtime.gpu_inference_streams or 1
    return Streams(
        lanes=max(executing, runtime.gpu_copy_streams or 2 * executing + 1),
        contexts=executing,
        one_stream=runtime.run_infer_on_copy_streams,
        inline=False,
        completers=runtime.complete_threads or 1,
        waiting="spinning" if runtime.use_spin_wait else "blocking",
    )
