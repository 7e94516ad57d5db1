"""``mlperf build``: the engine only, built or found in the cache."""

from __future__ import annotations

from mlperf_registry.cli.jobs import Job
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.work import work
from mlperf_registry.execute.job import build as build_engine
from mlperf_registry.schema.engine import Engine


def build(request: Request) -> int:
    """Answer ``mlperf build``."""
    return work(request, "mlperf_registry.cli.build:build_point", build_point, runs=False)


def build_point(job: Job) -> Engine:
    """The engine of one job. Raises as the builder does."""
    return build_engine(job.workload, job.build_dir, job.progress)
