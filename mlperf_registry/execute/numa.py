"""Whether this machine has the cores and GPUs that runtime.numa_config names: known before anything is built."""

from __future__ import annotations

import os

from mlperf_registry.detect.machine import detect
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.numa_string import NumaSegment, parse, ranges
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.workload import Workload
from mlperf_registry.systems.numa import misfits, own_string

_PATH = "runtime.numa_config"


def require_numa(workload: Workload) -> None:
    """Check that threads can be bound as the workload says. Looks at the machine only where it says anything.

    Raises:
        ConfigError: with everything that this machine, or the container on it, cannot give.
    """
    segments = parse(workload.runtime.numa_config or "")
    if not segments:
        return
    machine = detect()
    wrong = (*misfits(segments, machine), *_forbidden(segments, machine))
    if wrong:
        own = own_string(machine)
        hint = f"this machine's own is '{own}'" if own else None
        raise ConfigError(Problem(_PATH, message, hint=hint) for message in wrong)


def _forbidden(segments: tuple[NumaSegment, ...], machine: Machine) -> tuple[str, ...]:
    """Cores that are there, but not for this process: a container or a batch system gave it others."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    usable = os.sched_getaffinity(0)
    there = {cpu for node in machine.numa for cpu in node.cpus}
    barred = {cpu for segment in segments for cpu in segment.cpus if not there or cpu in there} - usable
    if not barred:
        return ()
    return (f"names the cores {ranges(barred)}, and this process may run on {ranges(usable)} only",)
