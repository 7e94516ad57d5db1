"""``mlperf harness``: LoadGen with an engine that must be in the cache already: it measures and never builds."""

from __future__ import annotations

from mlperf_registry.cli.jobs import Job
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.run import run_with
from mlperf_registry.cli.work import work
from mlperf_registry.execute.engine import cached
from mlperf_registry.execute.readiness import require_ready
from mlperf_registry.schema.result import RunResult


def harness(request: Request) -> int:
    """Answer ``mlperf harness``."""
    return work(request, "mlperf_registry.cli.harness:harness_point", harness_point)


def harness_point(job: Job) -> RunResult:
    """One job with its cached engine.

    Raises:
        NotReady: when the cache has none, or something else is missing.
    """
    require_ready(job.workload, job.registry.deviceless(job.workload))
    return run_with(job, cached(job.workload, job.build_dir))
