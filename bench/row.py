"""Row: a figure beside its bar, measured on a GPU; Rows: the file that commands merge theirs into, and its table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from bench.gpu_watch import gpu_name
from mlperf_registry.atomic import write_json


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table."""

    figure: str
    bar: str
    reached: str
    holds: bool
    detail: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.reached}. Bar: {self.bar}; {'it holds' if self.holds else 'MISSED'}."


class Rows:
    """Rows by name, kept in a file: there may be time on a GPU for one row, and for the next on another day."""

    def __init__(self, file: Path) -> None:
        """Read what was kept there before, if anything was."""
        self._file = file
        self._rows: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}

    def keep(self, name: str, row: Row, command: str) -> None:
        """Write a row, in the place of an older one."""
        self._rows[name] = {
            **attrs.asdict(row),
            "command": command,
            "date": time.strftime("%Y-%m-%d"),
            "gpu": gpu_name(),
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._file, self._rows)

    def row(self, name: str) -> dict[str, Any] | None:
        """A row of this command or one before it, with its command, date and GPU; None where it was not measured."""
        row: dict[str, Any] | None = self._rows.get(name)
        return row

    def beside(self, name: str, cure: str) -> dict[str, Any]:
        """The row that another one's share is taken of; SystemExit, with the cure, where it cannot stand beside it."""
        row = self.row(name)
        if row is None:
            raise SystemExit(f"{self._file} has no row {name}: {cure}")
        if row["gpu"] != gpu_name():
            raise SystemExit(f"The row {name} of {self._file} is of {row['gpu']}, and this is {gpu_name()}: {cure}")
        if not row["detail"]["valid"]:
            raise SystemExit(f"The row {name} of {self._file} is of a run that was not VALID: {cure}")
        return row


def table(files: Iterable[Path]) -> str:
    """Markdown of the rows in some files, the later file's where several have one."""
    rows: dict[str, Any] = {}
    for file in files:
        rows.update(json.loads(file.read_text()))
    lines = ["| figure | bar | reached | | command |", "|---|---|---|---|---|"]
    for row in rows.values():
        holds = "holds" if row["holds"] else "**missed**"
        lines.append(f"| {row['figure']} | {row['bar']} | {row['reached']} | {holds} | `{row['command']}` |")
    return "\n".join(lines)
