"""``mlperf run``: build the engine, run LoadGen, write the report."""

from __future__ import annotations

from pathlib import Path

from mlperf_registry.atomic import write_text
from mlperf_registry.cli.auto import derived_file
from mlperf_registry.cli.jobs import Job
from mlperf_registry.cli.report import write_provenance, write_report
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.work import work
from mlperf_registry.execute.engine import build
from mlperf_registry.execute.job import execute
from mlperf_registry.execute.readiness import require_ready
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.result import RunResult

SYSTEM_FILE = "system.yaml"


def run(request: Request) -> int:
    """Answer ``mlperf run``."""
    return work(request, "mlperf_registry.cli.run:run_point", run_point)


def run_point(job: Job) -> RunResult:
    """One job from engine to report. Raises as ``require_ready``, ``build`` and ``execute`` do."""
    require_ready(job.workload, job.registry.deviceless(job.workload))
    return run_with(job, build(job.workload, job.build_dir, job.progress))


def run_with(job: Job, engine: Engine) -> RunResult:
    """LoadGen and the report, with an engine that is there. A report that cannot be written takes no result away."""
    # Before the run: files may change while it lasts.
    provenance = job.registry.explain(None, job.overrides)
    derivation = job.registry.derivation(job.composed)
    base = None if derivation is None else derivation.base
    result = execute(job.workload, job.plan, engine, job.build_dir, job.progress, derived_from=base)
    job.progress.phase("report")
    try:
        _keep_derived_system(job, Path(result.log_dir))
        write_provenance(provenance, result)
        write_report(result)
    except OSError as error:
        job.progress.note(
            f"The result is whole; its report could not be written ({error.strerror}): mlperf report {result.log_dir}"
        )
    return result


def _keep_derived_system(job: Job, folder: Path) -> None:
    """What a derived system is, beside the result that it was made for: systems/ takes the file as it is."""
    file = derived_file(job.registry, job.workload.system.id, job.build_dir)
    if file is not None:
        write_text(folder / SYSTEM_FILE, file.read_text(encoding="utf-8"))
