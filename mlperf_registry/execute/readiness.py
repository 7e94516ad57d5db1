"""Whether all that a run needs is here: asked before minutes go into an engine."""

from __future__ import annotations

from mlperf_registry import plugins
from mlperf_registry.execute.model import find_model
from mlperf_registry.execute.numa import require_numa
from mlperf_registry.execute.scratch import scratch
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.workload import Workload


def require_ready(workload: Workload, deviceless: str | None = None) -> None:
    """Check that cores, engine library, model and data are here, before minutes go into an engine.

    Args:
        workload: what is to run.
        deviceless: that its system has no device for it, if so; said in place of what the library lacks.

    Raises:
        NotReady: with everything that is missing; with nothing else where there is no code to run it.
        ConfigError: when options of model or data contradict each other, or this machine lacks what numa_config names.
    """
    plugins.require_runnable(workload)  # first and alone: nobody shall fetch a model for what cannot run
    require_numa(workload)
    # Nobody needs to install what could not run here.
    lacks, first = ([], [_find_library]) if deviceless is None else ([deviceless], [])
    for requirement in (*first, _find_model, _open_data):
        try:
            requirement(workload)
        except NotReady as error:
            lacks.append(str(error))
    if lacks:
        raise NotReady("\n".join(lacks))


def _find_library(workload: Workload) -> None:
    plugins.require(plugins.backend(workload.backend.name))


def _find_model(workload: Workload) -> None:
    find_model(workload, scratch())


def _open_data(workload: Workload) -> None:
    for used in _workloads(workload):
        plugins.open_dataset(used, scratch())


def _workloads(workload: Workload) -> tuple[Workload, ...]:
    """Those whose samples a run takes: accuracy runs may have their own."""
    mode, scored = workload.test_mode, workload.scored
    if mode == "PerformanceOnly" or scored is workload:
        return (workload,)
    return (scored,) if mode == "AccuracyOnly" else (workload, scored)
