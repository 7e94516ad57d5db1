"""The folder of a sweep: what its jobs are told, and what each of them leaves there.

Hydra keeps no results, and a job may run in another process or on another machine: files are what they share.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.atomic import write_json
from mlperf_registry.cli.answer import error_form
from mlperf_registry.report.points import Point
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.result import RunResult
from mlperf_registry.structure import structure, unstructure

ORDER_FILE = "sweep.json"
_POINTS = "points"


@attrs.frozen(kw_only=True)
class SweepOrder:
    """sweep.json: what a job must know besides its own overrides."""

    target: str = knob("module:function that does one job.")
    runs: bool = knob("Whether that runs LoadGen, for which a submission must state its rate.")
    build_dir: str = knob("Build folder, absolute.")
    systems: tuple[str, ...] = knob("Folders with the user's systems, absolute.")
    overrides: tuple[str, ...] = knob("Overrides of the whole sweep.")


@attrs.frozen(kw_only=True)
class PointRecord:
    """points/<number>.json: how one job ended."""

    overrides: tuple[str, ...] = knob("Overrides of the job.")
    outcome: dict[str, Any] | None = knob("Its result or engine; absent where it failed.", default=None)
    error: dict[str, str] | None = knob("Kind and message of its failure.", default=None)

    @property
    def document(self) -> dict[str, Any]:
        """As the sweep's JSON gives it."""
        if self.outcome is not None:
            return self.outcome
        error = self.error or {}
        return {"overrides": list(self.overrides), "error": error.get("message"), "kind": error.get("kind")}

    @property
    def point(self) -> Point:
        """As reports take it."""
        result = None if self.outcome is None else structure(RunResult, self.outcome, canonical=True)
        return Point(self.overrides, result, (self.error or {}).get("message"))


def create_sweep_folder(order: SweepOrder) -> Path:
    """A new folder under the build folder's logs, with the order in it.

    Raises:
        NotReady: when it cannot be made.
    """
    now = datetime.now(timezone.utc)
    folder = Path(order.build_dir) / "logs" / f"{now:%Y%m%d-%H%M%S}-sweep-{secrets.token_hex(4)}"
    try:
        (folder / _POINTS).mkdir(parents=True)
        write_json(folder / ORDER_FILE, unstructure(order))
    except OSError as error:
        raise NotReady(
            f"The sweep's folder {folder} cannot be made: {error.strerror}. Choose another with --build-dir."
        ) from error
    return folder


def read_order(folder: Path) -> SweepOrder:
    """The order of a sweep."""
    return structure(SweepOrder, json.loads((folder / ORDER_FILE).read_text()), canonical=True)


def record(folder: Path, number: int, overrides: Sequence[str], end: RunResult | Engine | BaseException) -> None:
    """Keep how job ``number`` ended."""
    failed = isinstance(end, BaseException)
    kept = PointRecord(
        overrides=tuple(overrides),
        outcome=None if failed else unstructure(end),
        error=error_form(end) if isinstance(end, BaseException) else None,
    )
    write_json(folder / _POINTS / f"{number:05}.json", unstructure(kept))


def read_records(folder: Path, points: Sequence[Sequence[str]] = ()) -> list[PointRecord]:
    """How each job ended, in the order of the sweep.

    Args:
        folder: the sweep's.
        points: overrides of every job, where they are known: one that left no record is then a failed one. Without
            them it is absent.
    """
    found = {
        int(path.stem): structure(PointRecord, json.loads(path.read_text()), canonical=True)
        for path in (folder / _POINTS).glob("*.json")
    }
    lost = {
        number: PointRecord(overrides=tuple(overrides), error={"kind": "RunFailed", "message": "left no record"})
        for number, overrides in enumerate(points)
    }
    return [kept for _, kept in sorted({**lost, **found}.items())]
