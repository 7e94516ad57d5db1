"""Published results of rounds v0.7 to v5.1, as their logs give them: what a run here can be compared with.

They ship with the package; ``mlperf list published`` asks ``published`` for rows.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import groupby
from pathlib import Path

import attrs

from mlperf_registry.schema.cell import TARGET_NAMES, canonical_option
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

FILTERS = ("round", "submitter", "system", "accelerator", "benchmark", "scenario", "accuracy_target", "metric")
"""What rows can be chosen by."""

_FILE = Path(__file__).parent / "results.csv.gz"

_IDS = {"stable-diffusion-xl": "sdxl", "llama3_1-405b": "llama3.1-405b"}
"""Name of a benchmark in the logs' folders to ours, where they differ."""

_UNITS = {
    "samples_per_second": "samples/s",
    "scheduled_samples_per_second": "samples/s",
    "completed_samples_per_second": "samples/s",
    "tokens_per_second": "tokens/s",
    "completed_tokens_per_second": "tokens/s",
    "samples_per_query": "samples/query",
    "latency_ns_p90": "ns",
    "latency_ns_early_stopping_p90": "ns",
    "latency_ns_early_stopping_p99": "ns",
    "latency_ms_early_stopping_p90": "ms",
    "latency_ms_early_stopping_p99": "ms",
    "power_watts": "W",
    "energy_millijoules_per_query": "mJ/query",
}
_SHARED_OUT = {"samples/s", "tokens/s", "samples/query"}
"""Units of what accelerators do together, so that a share of each has a meaning."""

_COMPLETED_COUNTS_FROM = (4, 1)
"""Round from which Server compares what was completed; before, it was what was scheduled."""
_BY_SCENARIO = {
    "Offline": ("tokens_per_second", "samples_per_second"),
    "SingleStream": ("latency_ns_early_stopping_p90", "latency_ms_early_stopping_p90", "latency_ns_p90"),
    "MultiStream": ("latency_ns_early_stopping_p99", "latency_ms_early_stopping_p99", "samples_per_query"),
}
_BY_COMPLETED = ("completed_tokens_per_second", "completed_samples_per_second")
_BY_SCHEDULED = ("scheduled_samples_per_second", "completed_samples_per_second")

_INFERRED_TOKENS = "the round compares inferred tokens/s, 69 a sample"


@attrs.frozen(kw_only=True)
class PublishedResult:
    """One metric of one result that LoadGen called VALID."""

    round: str
    submitter: str
    system: str
    """As the submitter wrote it; often a system's id and what it ran with (``_TRT``, ``_MaxQ``)."""
    accelerator: str
    accelerators: int
    """0 for a system without one."""
    benchmark: str
    """Our id; the logs' folders may say another."""
    scenario: str
    accuracy_target: str
    metric: str
    value: float
    unit: str
    per_accelerator: float | None
    """None where a share of each accelerator has no meaning, as for latency."""
    official: bool
    """Whether it is the metric that the round compares; one of each result is."""
    note: str
    """What to know before comparing; empty for most."""
    source: str
    """The log: repository, commit and path."""


def published(filters: Mapping[str, str] | None = None, *, official: bool = False) -> list[PublishedResult]:
    """Rows that pass every filter, by benchmark, scenario, target, newest round first, submitter and system.

    Args:
        filters: one of ``FILTERS`` to a pattern with ``*`` and ``?``; upper and lower case are the same. A benchmark
            goes by our id or the logs' name, an accuracy target by any of its names.
        official: leave out all metrics but the one that the round compares.

    Raises:
        ConfigError: when a filter is none of ``FILTERS``.
    """
    wanted = {} if filters is None else dict(filters)
    unknown = [key for key in wanted if key not in FILTERS]
    if unknown:
        raise ConfigError(
            Problem(key, "published results have no such key", hint=nearest(key, FILTERS)) for key in unknown
        )
    if "accuracy_target" in wanted:
        option = canonical_option("accuracy_target", wanted["accuracy_target"])
        wanted["accuracy_target"] = TARGET_NAMES.get(option, option)
    if "benchmark" in wanted:
        wanted["benchmark"] = _IDS.get(wanted["benchmark"].lower(), wanted["benchmark"])
    patterns = [(key, pattern.lower()) for key, pattern in wanted.items()]
    return [
        row
        for row in _all()
        if (row.official or not official)
        and all(fnmatchcase(getattr(row, key).lower(), pattern) for key, pattern in patterns)
    ]


def official_metric(round_name: str, scenario: str, metrics: Iterable[str]) -> str | None:
    """The metric that a round compares in a scenario, of those that a result has; None where it is not among them.

    Models that write tokens are compared by tokens, wherever their logs give them. Source: RESULT_FIELD_NEW and
    RESULT_FIELD_BENCHMARK_OVERWRITE of each round's submission checker.
    """
    candidates = _BY_SCENARIO.get(scenario)
    if candidates is None:
        candidates = _BY_COMPLETED if _age(round_name) >= _COMPLETED_COUNTS_FROM else _BY_SCHEDULED
    there = set(metrics)
    return next((metric for metric in candidates if metric in there), None)


@cache
def _all() -> tuple[PublishedResult, ...]:
    with gzip.open(_FILE, "rt", encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=_place)
    return tuple(made for _, rows_of in groupby(rows, _place) for made in _result(list(rows_of)))


def _place(row: Mapping[str, str]) -> tuple[object, ...]:
    newest_first = tuple(-number for number in _age(row["round"]))
    benchmark = _IDS.get(row["benchmark"], row["benchmark"])
    target = float(row["accuracy_target"])
    return benchmark, row["scenario"], target, newest_first, row["submitter"], row["system"], row["benchmark"]


def _result(rows: list[dict[str, str]]) -> Iterator[PublishedResult]:
    """The rows of one result, its official metric first."""
    first = rows[0]
    compared = official_metric(first["round"], first["scenario"], (row["metric"] for row in rows))
    for row in sorted(rows, key=lambda row: (row["metric"] != compared, row["metric"])):
        metric, value, accelerators = row["metric"], float(row["value"]), int(row["accelerators"])
        unit = _UNITS[metric]
        shared_out = accelerators > 0 and unit in _SHARED_OUT
        # The logs of that one benchmark and round lack the metric that its checker derives.
        inferred = row["benchmark"] == "gptj" and row["round"] == "v4.1" and unit == "samples/s"
        yield PublishedResult(
            round=row["round"],
            submitter=row["submitter"],
            system=row["system"],
            accelerator=row["accelerator"],
            accelerators=accelerators,
            benchmark=_IDS.get(row["benchmark"], row["benchmark"]),
            scenario=row["scenario"],
            accuracy_target=TARGET_NAMES[canonical_option("accuracy_target", row["accuracy_target"])],
            metric=metric,
            value=value,
            unit=unit,
            per_accelerator=value / accelerators if shared_out else None,
            official=metric == compared,
            note=_INFERRED_TOKENS if inferred else "",
            source=row["source"],
        )


def _age(round_name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", round_name))
