"""``mlperf build``: the engine only, built or found in the cache."""

from __future__ import annotations

from mlperf_registry.cli.jobs import Job, own_stdout, prepare
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import settled
from mlperf_registry.cli.terminal import say, watching
from mlperf_registry.cli.work import work
from mlperf_registry.execute.engine import build as build_engine
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import ConfigError, Problem


def build(request: Request) -> int:
    """Answer ``mlperf build``."""
    if not request.inspect or request.dry_run or request.cfg is not None:
        return work(request, "mlperf_registry.cli.build:build_point", build_point, runs=False)
    if request.multirun:
        raise ConfigError([Problem("--inspect", "looks into one engine, and a sweep builds several", hint="drop -m")])
    from mlperf_registry.cli.inspect import require_inspection, show_inspection

    registry, overrides = settled(request, say)
    require_inspection(registry.structure(registry.compose(overrides, quick=True)).backend.name)
    with own_stdout(request), watching() as progress:
        job = prepare(registry, overrides, request.build_dir, progress, runs=False)
        engine = build_point(job)
    show_inspection(engine, job.workload.backend.name, as_json=request.json)
    return 0


def build_point(job: Job) -> Engine:
    """The engine of one job. Raises as the builder does."""
    return build_engine(job.workload, job.build_dir, job.progress)
