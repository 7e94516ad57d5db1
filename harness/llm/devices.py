"""Which GPUs each core of an engine has: the groups that a model's instances are spread over."""

from __future__ import annotations

import os

from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.workload import Workload

Devices = tuple[int, ...]
"""Indices of the GPUs of one core, among those that this process sees."""


def device_groups(workload: Workload) -> tuple[Devices, ...]:
    """The GPUs of each core: those of ``llm.gpu_rank_map``, or as many groups as the system's GPUs make.

    Raises:
        ConfigError: when a group has not as many GPUs as tensor and pipeline parallelism take, or they do not come out
            even.
    """
    llm, runtime = workload.llm, workload.runtime
    size = (llm.tensor_parallelism or 1) * (llm.pipeline_parallelism or 1)
    if llm.gpu_rank_map is not None:
        groups = tuple(tuple(map(int, group.split(","))) for group in llm.gpu_rank_map.split("&"))
        wrong = next((group for group in groups if len(group) != size), None)
        if wrong is not None:
            message = f"gives an instance {len(wrong)} GPUs, and tensor times pipeline parallelism takes {size}"
            raise ConfigError([Problem("llm.gpu_rank_map", message)])
        if len({gpu for group in groups for gpu in group}) != size * len(groups):
            raise ConfigError([Problem("llm.gpu_rank_map", "gives a GPU to two instances")])
        return groups
    gpus = runtime.gpu_indices or tuple(range(max(1, workload.system.accelerator_count)))
    if len(gpus) % size:
        message = f"needs {size} GPUs for each instance, tensor times pipeline parallelism, and {len(gpus)} are used"
        hint = "runtime.gpu_indices names those to use, llm.gpu_rank_map those of each instance"
        raise ConfigError([Problem("llm.tensor_parallelism", message, hint=hint)])
    return tuple(gpus[first : first + size] for first in range(0, len(gpus), size))


def are_named(workload: Workload) -> bool:
    """Whether the config says which GPUs are used, so that others here are to be left alone."""
    return bool(workload.runtime.gpu_indices) or workload.llm.gpu_rank_map is not None


def named(devices: Devices) -> str:
    """What messages call the core of these GPUs."""
    return f"GPU {','.join(map(str, devices))}"


def visible(devices: Devices) -> str:
    """CUDA_VISIBLE_DEVICES for a process that is to see these GPUs alone, of those that this one sees."""
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if not seen:
        return ",".join(map(str, devices))
    missing = [gpu for gpu in devices if gpu >= len(seen)]
    if missing:
        raise NotReady(f"GPU {missing[0]} is to be used, and CUDA_VISIBLE_DEVICES shows {len(seen)} here.")
    return ",".join(seen[gpu] for gpu in devices)
