"""What a result amounts to, in words: its verdict, what must be said beside the figure, why it cannot be submitted.

The terminal and the HTML report say the same because both ask here.
"""

from __future__ import annotations

import re
from typing import Literal

import attrs

from mlperf_registry.report.numbers import Figure, figure, precise
from mlperf_registry.schema.result import Accuracy, Metric, RunResult

Tone = Literal["good", "bad", "warn", "plain"]

_IN_WORDS = {
    "result_completed_samples_per_sec": "Completed samples per second",
    "result_scheduled_samples_per_sec": "Scheduled samples per second",
    "result_qps_with_loadgen_overhead": "Queries per second, LoadGen's overhead included",
    "early_stopping_latency_ss": "Early-stopping estimate of the p90 latency",
    "early_stopping_latency_ms": "Early-stopping estimate of the p99 latency",
}
"""Keys of LoadGen's detail log that do not speak for themselves."""


@attrs.frozen
class Verdict:
    """A word and how it feels."""

    word: str
    tone: Tone


def validity(result: RunResult) -> Verdict:
    """Whether the performance run counts."""
    if result.valid is None:
        return Verdict("ACCURACY ONLY", "plain")
    return Verdict("VALID", "good") if result.valid else Verdict("INVALID", "bad")


def headline(result: RunResult) -> tuple[Figure, str]:
    """The figure of the run and its name; the accuracy where there was no performance run."""
    if result.metrics:
        first = result.metrics[0]
        return figure(first.value, first.unit), metric_name(first)
    if result.accuracy is not None:
        return Figure(precise(result.accuracy.value), ""), result.accuracy.metric
    return Figure("none", ""), "no figure was measured"


def metric_name(metric: Metric) -> str:
    """The metric in words. Units stay with the figure, where a time may have moved to another one."""
    if metric.name in _IN_WORDS:
        return _IN_WORDS[metric.name]
    name = re.sub(r"_(\d+)\.00_percentile", r"_p\1", f"_{metric.name.removeprefix('result_')}")
    words = name.removesuffix(f"_{metric.unit}").removesuffix(f"({metric.unit})").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def subject(result: RunResult) -> str:
    """What was run where, as a title."""
    return f"{result.benchmark} · {result.scenario} · {result.system}"


def caveats(result: RunResult) -> tuple[tuple[str, str], ...]:
    """(label, sentence) of what nobody may overlook when quoting the figure."""
    said = []
    if result.mini:
        said.append(
            (
                "mini",
                "A mini benchmark: real LoadGen, a small model and data set. Never comparable with MLPerf results.",
            )
        )
    if result.weights == "random":
        said.append(
            (
                "random weights",
                "The weights are random: only the speed means something, and it is not comparable to submissions.",
            )
        )
    if result.mode == "explore":
        said.append(("mode explore", "Shortened durations for a first look; the rules of the round only warn."))
    elif result.mode != "submission":
        said.append((f"mode {result.mode}", "Not a submission run; the rules of the round only warn."))
    return tuple(said)


def obstacles(result: RunResult) -> tuple[str, ...]:
    """Why the result cannot be submitted; empty where it can."""
    if result.submittable:
        return ()
    found = []
    if result.valid is None:
        found.append("There was no performance run.")
    elif not result.valid:
        found.append("The performance run is INVALID, for the reasons given.")
    if result.accuracy is None:
        found.append("There was no accuracy run.")
    elif not result.accuracy.passed:
        found.append("Accuracy did not pass.")
    elif result.accuracy.unscored:
        found.append(f"Accuracy is incomplete: {unscored(result.accuracy)}")
    elif result.accuracy.target is None:
        found.append("No round gives an accuracy target for it.")
    if result.mini:
        found.append("It is a mini benchmark.")
    if result.weights == "random":
        found.append("Its weights are random.")
    if result.rule_breaches:
        count = len(result.rule_breaches)
        rules = "1 rule of round {} is" if count == 1 else f"{count} rules of round {{}} are"
        found.append(f"{rules.format(result.round)} not kept.")
    return tuple(found) or ("The result does not record a reason.",)


def needed(result: RunResult) -> tuple[str, ...]:
    """What a submission needs beside a cell that keeps the rules; results of older versions do not say it."""
    return result.still_needed or ("what its round asks beside this cell, and what docs/submission.md lists",)


def accuracy_verdict(accuracy: Accuracy) -> Verdict:
    """Whether accuracy was met, as far as it was scored."""
    if not accuracy.passed:
        return Verdict("MISSED", "bad")
    return Verdict("INCOMPLETE", "warn") if accuracy.unscored else Verdict("PASSED", "good")


def unscored(accuracy: Accuracy) -> str:
    """What is missing for a verdict, and who has it."""
    names = ", ".join(accuracy.unscored)
    return f"{names} not scored here. The container of MLPerf's reference implementation scores all of the log."


def accuracy_line(accuracy: Accuracy, unit: str = "") -> str:
    """Value against target in one line."""
    reached = f"{accuracy.metric} {precise(accuracy.value)} {unit}".rstrip()
    if accuracy.target is None:
        return f"{reached}, no target given"
    relation = "meets" if accuracy.value >= accuracy.target else "misses"
    doubt = "" if accuracy.passed or relation == "misses" else ", and does not pass all the same"
    line = f"{reached}, {relation} the target of {precise(accuracy.target)} {unit}".rstrip() + doubt
    return f"{line}; {unscored(accuracy)}" if accuracy.unscored else line


def percentile_of(key: str) -> float | None:
    """The percentile that a key of ``RunResult.latency`` names (``99.90``, ``p99``); None for min, mean and max."""
    match = re.match(r"p?(\d+(?:\.\d+)?)", key)
    return None if match is None else float(match[1])
