"""``mlperf report``: the HTML of a run or a sweep, written from what its folder holds, so at any time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlperf_registry.atomic import write_json
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.execute.result import RESULT_FILE, read_result
from mlperf_registry.report.provenance import ProvenanceRow
from mlperf_registry.report.run import write_run_report
from mlperf_registry.schema.problem import ConfigError, MlperfError, NotReady, Problem
from mlperf_registry.schema.result import RunResult
from mlperf_registry.schema.run import Run
from mlperf_registry.structure import structure

if TYPE_CHECKING:
    from mlperf_registry.registry import Explained

RUN_FILE = "run.json"
PROVENANCE_FILE = "provenance.json"
SAMPLES_FILE = "samples.npz"


def report(request: Request) -> int:
    """Answer ``mlperf report FOLDER``."""
    if len(request.words) != 1:
        raise ConfigError(
            [Problem("report", "needs the folder of a run or a sweep", hint="mlperf report build/logs/...")]
        )
    given = Path(request.words[0])
    try:
        path = report_of(given)
    except OSError as error:
        raise NotReady(
            f"The report of {given} cannot be written: {error.strerror}. Make room there, or the folder writable."
        ) from error
    if request.json:
        print_json({"report": str(path)})
    else:
        print(path)
    return 0


def report_of(given: Path) -> Path:
    """Write the report of a run's or a sweep's folder; any folder above a single run will do. Returns its path.

    Raises:
        ConfigError: as ``find_run``.
    """
    from mlperf_registry.cli.sweep import write_sweep_report
    from mlperf_registry.cli.sweep_folder import ORDER_FILE

    if is_there(given / ORDER_FILE):
        return write_sweep_report(given)
    home = find_run(given)
    return write_report(read_result(home), home)


def find_run(given: Path) -> Path:
    """The folder of the one run that ``given`` is, is a file of, or holds.

    Raises:
        ConfigError: when there is none, or more than one.
    """
    folder = given.parent if given.name in (RESULT_FILE, RUN_FILE) else given
    if not is_there(folder) or not folder.is_dir():
        raise ConfigError([Problem(str(given), "there is no such folder of a run")])
    runs = [path.parent for path in sorted(folder.rglob(RESULT_FILE))]
    if len(runs) != 1:
        found = "no run that ended" if not runs else f"{len(runs)} runs, such as {runs[0]}"
        raise ConfigError([Problem(str(given), f"holds {found}", hint="name the folder of one run")])
    return runs[0]


def is_there(path: Path) -> bool:
    """Whether the path exists; a text that could be no path at all does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def write_report(result: RunResult, folder: Path | None = None) -> Path:
    """Write the HTML of a run whose folder holds all else; returns its path.

    Args:
        result: the run.
        folder: where it lies now, if it was moved.
    """
    home = Path(result.log_dir) if folder is None else folder
    run = read_run(home)
    performance = None if run is None else run.tests.get("performance")
    return write_run_report(
        home,
        result,
        settings=None if performance is None else performance.settings,
        provenance=_provenance(home),
        samples=None if performance is None else home / SAMPLES_FILE,
        accuracy_unit="" if run is None else run.workload.benchmark.accuracy_unit,
    )


def write_provenance(provenance: Sequence[Explained], result: RunResult) -> None:
    """Keep beside a result where each of its values came from: later the files may say something else."""
    write_json(Path(result.log_dir) / PROVENANCE_FILE, [explained.as_json() for explained in provenance])


def _provenance(folder: Path) -> list[ProvenanceRow]:
    try:
        rows: list[dict[str, Any]] = json.loads((folder / PROVENANCE_FILE).read_text())
        return [
            ProvenanceRow(
                row["path"],
                row["value"],
                row["unit"],
                row["doc"],
                tuple((link["origin"], link["line"], link["value"]) for link in row["chain"]),
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        # A report without its provenance is worth more than none.
        return []


def read_run(folder: Path) -> Run | None:
    """What a run was given; None where its run.json is absent or of another form."""
    try:
        return structure(Run, json.loads((folder / RUN_FILE).read_text()), canonical=True)
    except (OSError, ValueError, MlperfError):
        return None
