"""The folder of a run: where it lies, and how two runs never share one."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from pathlib import Path

import attrs

from mlperf_registry.execute.room import not_written, require_room
from mlperf_registry.schema.workload import Workload


@attrs.frozen
class RunFolder:
    """``<build>/logs/<timestamp>-<run_id>/<system>[_<harness>][_MaxQ]/<benchmark>[-99|-99.9]/<Scenario>/``."""

    run_id: str
    started: datetime
    path: Path


def create_run_folder(build_dir: Path, workload: Workload) -> RunFolder:
    """A new, empty folder.

    Raises:
        NotReady: when it cannot be made, or the disk has no room for logs.
    """
    started = datetime.now(timezone.utc)
    run_id = secrets.token_hex(4)
    path = build_dir / "logs" / f"{started:%Y%m%d-%H%M%S}-{run_id}" / cell_path(workload)
    try:
        path.mkdir(parents=True)
        (path / "performance" / "run_1").mkdir(parents=True)
        (path / "accuracy").mkdir()
    except OSError as error:
        raise not_written(path, error) from error
    require_room(path)
    return RunFolder(run_id, started, path.resolve())


def cell_path(workload: Workload) -> Path:
    """System, benchmark and scenario as folders."""
    system = workload.system.id
    if workload.harness.name != "native":
        system += f"_{workload.harness.name}"
    if workload.power_setting.name != "MaxP":
        system += f"_{workload.power_setting.name}"
    benchmark = workload.benchmark.id
    if len(workload.benchmark.accuracy_targets) > 1:
        benchmark += f"-{workload.accuracy_target.fraction * 100:g}"
    return Path(system) / benchmark / workload.scenario.name


def set_aside(folder: RunFolder) -> Path:
    """Move what a performance run left to ``performance/first_attempt``, so that another one may take its place.

    ``performance/run_1`` is always the run that the result is of.
    """
    kept = folder.path / "performance" / "first_attempt"
    run = folder.path / "performance" / "run_1"
    run.replace(kept)
    run.mkdir()
    for name in ("run.json", "user.conf", "samples.npz", "performance.log"):
        (folder.path / name).replace(kept / name)
    return kept
