"""The folder of a run: where it lies, and how two runs never share one."""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime, timezone
from pathlib import Path

import attrs

from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.workload import Workload

_SPARE_BYTES = 64 << 20


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
        raise NotReady(
            f"The run's folder {path} cannot be made: {error.strerror}. Choose another with --build-dir."
        ) from error
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


def require_room(path: Path) -> None:
    """Check that logs will fit: LoadGen itself says nothing when a disk is full.

    Raises:
        NotReady: when less than 64 MiB are free.
    """
    free = shutil.disk_usage(path).free
    if free < _SPARE_BYTES:
        raise NotReady(
            f"The disk of {path} has {free >> 20} MiB free, and a run's logs need {_SPARE_BYTES >> 20}: free some, or "
            "choose another folder with --build-dir."
        )
