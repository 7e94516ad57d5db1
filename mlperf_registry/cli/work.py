"""work(): a request of run, build or harness goes to one job, to a sweep, or only to a look at what would run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlperf_registry.cli.jobs import Job, own_stdout, prepare, show
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry, overrides_of, settled
from mlperf_registry.cli.terminal import say, watching
from mlperf_registry.schema.engine import Engine

if TYPE_CHECKING:
    from mlperf_registry.schema.result import RunResult

Point = Callable[[Job], "RunResult | Engine"]
"""What a verb does with a job."""


def work(request: Request, target: str, point: Point, *, runs: bool = True) -> int:
    """Answer a request of run, build or harness; returns the exit code.

    Args:
        request: the command line.
        target: ``module:function`` of ``point``, by which the jobs of a sweep find it in any process.
        point: what the verb does with one job.
        runs: whether that runs LoadGen, for which a submission must state its rate.
    """
    if request.multirun:
        from mlperf_registry.cli.sweep import sweep

        return sweep(request, target, runs=runs)
    if request.cfg is not None:
        from mlperf_registry.cli.cfg import print_config

        return print_config(*settled(request, say), request)
    if request.dry_run:
        from mlperf_registry.cli.dry_run import dry_run

        return dry_run(open_registry(request.systems), [overrides_of(request)], request, runs=runs)
    registry, overrides = settled(request, say)
    with own_stdout(request), watching() as progress:
        job = prepare(registry, overrides, request.build_dir, progress, runs=runs)
        outcome = point(job)
    show(outcome, as_json=request.json, accuracy_unit=job.workload.benchmark.accuracy_unit)
    return 0 if isinstance(outcome, Engine) or outcome.good else 1
