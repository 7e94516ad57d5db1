"""The device that an engine is built for, as its key names it: a processor, a GPU, or a kind of GPU."""

from __future__ import annotations

from mlperf_registry.detect.board import read_board
from mlperf_registry.detect.gpu import read_gpus
from mlperf_registry.detect.host import LiveHost
from mlperf_registry.execute.host import cpu_device
from mlperf_registry.schema.machine import Accelerator
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.workload import Workload


def device_of(workload: Workload) -> str:
    """Name and compute capability of the GPU, or what stands for the CPU.

    Raises:
        NotReady: when the backend's engines need a GPU and this machine shows none.
        ConfigError: when the GPUs to use differ, so that one engine does not fit all.
    """
    if workload.backend.device != "gpu":
        return cpu_device()
    if workload.builder.compute_capability is not None:
        return f"compute capability {workload.builder.compute_capability:.1f}"
    gpus, notes = _gpus()
    chosen = [
        _named(gpu)
        for place, gpu in enumerate(gpus)
        if not workload.runtime.gpu_indices or place in workload.runtime.gpu_indices
    ]
    if not chosen:
        raise NotReady(
            f"The backend {workload.backend.name} builds for the GPU that is here, and none shows itself. "
            f"{' '.join(notes)} backend=onnxruntime needs no GPU."
        )
    if len(set(chosen)) > 1:
        message = f"uses GPUs that differ: {'; '.join(dict.fromkeys(chosen))}. One engine fits one kind"
        raise ConfigError([Problem("runtime.gpu_indices", message, hint="name those of one kind")])
    return chosen[0]


def _gpus() -> tuple[tuple[Accelerator, ...], list[str]]:
    """The GPUs that this process may use, and sentences on those that it may not."""
    host = LiveHost()
    notes: list[str] = []
    # Without memory and NUMA nodes: which kind of GPU it is does not depend on them, and they are many files.
    return read_gpus(host, read_board(host), None, (), notes), notes


def _named(gpu: Accelerator) -> str:
    number = "unknown" if gpu.compute_sm is None else f"{gpu.compute_sm // 10}.{gpu.compute_sm % 10}"
    part = "" if gpu.mig_profile is None else f", MIG {gpu.mig_profile}"
    return f"{gpu.name}, compute capability {number}{part}"
