"""Rows: the lines of a file of published configurations, each with its cell in our options.

The file is JSON, one object a line: round, system, benchmark, scenario, accuracy_target, harness, power, fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.published.split import PLAIN, Names
from mlperf_registry.schema.cell import canonical_option
from mlperf_registry.schema.problem import ConfigError, Problem

_TEXTS = ("round", "system", "benchmark", "scenario", "harness", "power")


@attrs.frozen
class Row:
    """One published configuration. Options are ours; field names and values are as published."""

    line: int
    """1-based."""
    round: str
    system: str
    benchmark: str
    scenario: str
    accuracy_target: str
    power_setting: str
    harness: str
    fields: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def address(self) -> str:
        """Of the cell's file below ``tuned``, without its suffix."""
        return f"{self.round}/{self.system}/{self.benchmark}/{self.scenario}"

    @property
    def names(self) -> Names:
        """The options that distinguish its variant."""
        return PLAIN | ({self.accuracy_target, self.harness, self.power_setting} - {"k_99", "native", "maxp"})

    @property
    def words(self) -> tuple[str, ...]:
        """Its cell and round of tuned values as overrides, but for the backend."""
        axes = ("system", "benchmark", "scenario", "accuracy_target", "power_setting", "harness")
        return (*(f"{axis}={getattr(self, axis)}" for axis in axes), f"tuned_round={self.round}")


@attrs.frozen
class OptionNames:
    """The rounds' names of options, and ours."""

    benchmarks: Mapping[str, str]
    """Where ours differs."""
    harnesses: Mapping[str, str]


def read_rows(path: Path, names: OptionNames) -> tuple[Row, ...]:
    """The rows of a file, in order; empty lines are skipped.

    Raises:
        ConfigError: when it cannot be read; with every line that is no row, or repeats another.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), f"the file cannot be read: {error}", str(path))]) from error
    rows: list[Row] = []
    problems: list[Problem] = []
    seen: dict[tuple[Any, ...], int] = {}
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        wrong = list(_wrong(written))
        if not wrong:
            row = _row(line, json.loads(written), names)
            key = attrs.astuple(row, filter=attrs.filters.exclude("line", "fields"))
            first = seen.setdefault(key, line)
            if first != line:
                wrong = [f"the same configuration as in line {first}"]
            rows.append(row)
        problems.extend(Problem("row", message, str(path), line) for message in wrong)
    if problems:
        raise ConfigError(problems)
    return tuple(rows)


def _wrong(written: str) -> Iterator[str]:
    try:
        content = json.loads(written)
    except ValueError as error:
        yield f"this is no JSON: {error}"
        return
    if not isinstance(content, dict):
        yield "this is no JSON object"
        return
    for key in _TEXTS:
        if not isinstance(content.get(key), str):
            yield f"{key} must be text, got {content.get(key)!r}"
    if not isinstance(content.get("fields"), dict):
        yield "fields must map names to values"
    target = content.get("accuracy_target")
    if isinstance(target, bool) or not isinstance(target, (int, float)):
        yield f"accuracy_target must be a number such as 0.99, got {target!r}"


def _row(line: int, content: Mapping[str, Any], names: OptionNames) -> Row:
    benchmark, harness = content["benchmark"], content["harness"]
    return Row(
        line,
        content["round"],
        content["system"],
        names.benchmarks.get(benchmark, benchmark),
        canonical_option("scenario", content["scenario"]),
        canonical_option("accuracy_target", str(content["accuracy_target"])),
        canonical_option("power_setting", content["power"]),
        names.harnesses.get(harness, harness),
        content["fields"],
    )
