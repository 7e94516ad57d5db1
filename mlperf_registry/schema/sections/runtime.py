"""What feeds the engine while LoadGen runs: streams, batcher, copies and threads.

NVIDIA's names, for every engine library whose batches the harness forms.
"""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.applicability import (
    GPU,
    HARNESS_BATCHED,
    IN_PROCESS,
    MULTISTREAM,
    NVIDIA,
    OFFLINE,
    SERVER,
    TENSORRT,
)
from mlperf_registry.schema.knob import Applies, at_least, between, knob
from mlperf_registry.schema.numa_string import numa_form
from mlperf_registry.schema.sections.builder import DLA

_BATCHED = Applies(benchmarks=HARNESS_BATCHED, scenarios=(*OFFLINE, *MULTISTREAM, *SERVER))
_BATCHED_ON_GPU = attrs.evolve(_BATCHED, backends=TENSORRT)
_LWIS = Applies(benchmarks=("resnet50", "ssd", "retinanet", "unet3d", "dlrm"), backends=TENSORRT)
_STREAMS = Applies(backends=NVIDIA)
_GPU = Applies(backends=GPU)


@attrs.frozen(kw_only=True)
class Runtime:
    """What feeds the engine while LoadGen runs."""

    gpu_copy_streams: int | None = knob(
        "Batches in flight on a GPU, each with a stream that copies its input and output; absent: two for each "
        "inference stream and one more.",
        check=between(1, bounds.THREADS),
        applies=_STREAMS,
        default=None,
    )
    gpu_inference_streams: int | None = knob(
        "Streams that execute the engine, each with a context and a profile of its own; on a CPU backend, engine "
        "instances.",
        check=between(1, bounds.THREADS),
        default=None,
    )
    run_infer_on_copy_streams: bool = knob(
        "Copy on the stream that executes, so that neither waits for the other.", applies=_STREAMS, default=False
    )
    use_graphs: bool = knob("Capture a CUDA graph per batch size.", applies=_STREAMS, default=False)
    use_same_context: bool = knob(
        "NVIDIA's switch to share one execution context among copy streams; no effect here, where those of one "
        "inference stream always do.",
        applies=_LWIS,
        default=False,
    )
    start_from_device: bool = knob(
        "Keep samples in device memory before the query; submissions need start_from_device_enabled in system.tags, or "
        "memory that host and GPU share.",
        applies=_STREAMS,
        default=False,
    )
    end_on_device: bool = knob(
        "NVIDIA's switch to leave answers in device memory when a query completes; no effect here, where all go to "
        "host memory.",
        applies=_STREAMS,
        default=False,
    )
    assume_contiguous: bool = knob(
        "NVIDIA's promise that the samples of a query are neighbours in memory; no effect here, where the look costs "
        "nothing.",
        applies=_LWIS,
        default=False,
    )
    use_direct_host_access: bool = knob(
        "Let devices read host memory in place, where both share it.", applies=_LWIS, default=False
    )
    deque_timeout_usec: int = knob(
        "How long the batcher holds back a batch that is not full, from its first sample; 0: not at all.",
        unit="us",
        unit_in_name=True,
        check=between(0, bounds.HELD_BACK_USEC),
        applies=_BATCHED,
        default=0,
    )
    use_deque_limit: bool = knob(
        "NVIDIA's cap on the samples that one acquire takes; no effect here, where none takes more than a batch.",
        applies=_BATCHED_ON_GPU,
        default=False,
    )
    use_batcher_thread_per_device: bool = knob(
        "NVIDIA's switch to one batching thread per device; no effect here, where one forms the batches for all.",
        applies=_BATCHED_ON_GPU,
        default=False,
    )
    use_cuda_thread_per_device: bool = knob(
        "A thread that submits batches for a single GPU too, as several GPUs always have.",
        applies=_BATCHED_ON_GPU,
        default=False,
    )
    complete_threads: int | None = knob(
        "Threads per device that wait for batches and hand responses to LoadGen; absent: one.",
        unit="threads",
        check=between(1, bounds.THREADS),
        applies=Applies(benchmarks=HARNESS_BATCHED, backends=TENSORRT),
        default=None,
    )
    use_spin_wait: bool = knob(
        "Wait for the device by spinning, which wakes sooner and costs a core.", applies=_GPU, default=False
    )
    use_jemalloc: bool = knob(
        "NVIDIA's switch to allocate host memory with jemalloc; no effect here, where a batch allocates next to none.",
        applies=_GPU,
        default=False,
    )
    gpu_indices: tuple[int, ...] = knob(
        "Indices of the GPUs to use; empty: all of the system.", applies=_GPU, scales="never", default=()
    )
    numa_config: str | None = knob(
        "GPUs and CPU cores of each NUMA node, node 0's first, as GPUs:cores&GPUs:cores; a node may be left empty, or "
        "have cores only; empty: no binding.",
        check=numa_form,
        applies=Applies(backends=IN_PROCESS),
        scales="never",
        default=None,
    )
    dla_copy_streams: int | None = knob(
        "NVIDIA's copy streams of each DLA; no effect here, where gpu_copy_streams counts for a DLA's engine too.",
        check=between(1, bounds.THREADS),
        applies=DLA,
        scales="dla",
        default=None,
    )
    dla_inference_streams: int | None = knob(
        "NVIDIA's inference streams of each DLA; no effect here, where gpu_inference_streams counts for a DLA's engine "
        "too.",
        check=between(1, bounds.THREADS),
        applies=DLA,
        scales="dla",
        default=None,
    )
    max_dlas: int | None = knob(
        "NVIDIA's bound on the DLAs to use; no effect here, where a run uses the one of builder.dla_core, or none.",
        unit="DLAs",
        check=at_least(0),
        applies=DLA,
        scales="dla",
        default=None,
    )
    device_types: Literal["gpu", "dla", "all"] | None = knob(
        "NVIDIA's choice between an SoC's GPU and its DLAs; no effect here, where builder.dla_core chooses a DLA and "
        "its absence the GPU.",
        applies=DLA,
        scales="dla",
        default=None,
    )
    warmup_duration: int = knob(
        "Time for warm-up executions before LoadGen starts.",
        unit="ms",
        check=between(0, bounds.MILLISECONDS),
        default=1000,
    )
    load_timeout: int = knob(
        "A child that takes longer to open its engine, or to load samples, counts as hung.",
        unit="ms",
        check=between(1, bounds.MILLISECONDS),
        default=1_800_000,
    )
    stall_timeout: int = knob(
        "A child that completes no sample for so long, and no output token of a language model, counts as hung.",
        unit="ms",
        check=between(1, bounds.MILLISECONDS),
        default=120_000,
    )
