"""The same summaries for the terminal, as rich renderables; rich is imported only when one is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlperf_registry.report.numbers import duration, figure, precise, rank
from mlperf_registry.report.points import Point, assignments, best_point, swept
from mlperf_registry.report.token_latency import TokenLatency, measured
from mlperf_registry.report.verdict import (
    accuracy_line,
    accuracy_verdict,
    caveats,
    headline,
    metric_name,
    needed,
    obstacles,
    percentile_of,
    subject,
    validity,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from mlperf_registry.schema.result import RunResult

_STYLE = {"good": "bold green", "bad": "bold red", "warn": "yellow", "plain": "bold"}
_LATENCIES_SHOWN = (50.0, 90.0, 99.0, 99.9)


def run_summary(result: RunResult, *, accuracy_unit: str = "") -> Group:
    """What ``mlperf run`` prints at its end: the figure, whether it counts, and where the report lies."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown, name = headline(result)
    verdict = validity(result)
    rows: list[tuple[str, Text]] = [
        ("result", Text.assemble((str(shown), "bold"), f"  {name}  ", (verdict.word, _STYLE[verdict.tone])))
    ]
    rows += [("", Text(reason, "red")) for reason in result.reasons]
    rows += [("", Text(f"{figure(metric.value, metric.unit)}  {metric_name(metric)}")) for metric in result.metrics[1:]]
    if result.latency:
        rows.append(("latency", Text(_latency(result.latency))))
    if result.accuracy is None:
        rows.append(("accuracy", Text("not measured")))
    else:
        style = _STYLE[accuracy_verdict(result.accuracy).tone]
        rows.append(("accuracy", Text(accuracy_line(result.accuracy, accuracy_unit), style)))
    if result.submittable:
        rows.append(("rules", Text(f"this cell keeps those of {result.round}", "green")))
        rows.append(("", Text(f"a submission still needs {'; '.join(needed(result))}")))
    else:
        rows.append(("submittable", Text(f"no: {' '.join(obstacles(result))}")))
    rows += [("rule", Text(f"{breach.path}: {breach.message}", "yellow")) for breach in result.rule_breaches]
    rows += [("remark", Text(remark)) for remark in result.remarks]
    rows += [(label, Text(sentence, "yellow")) for label, sentence in caveats(result)]
    engine = f"{result.engine.key[:12]}, {'reused' if result.engine.reused else 'built for this run'}"
    rows += [("engine", Text(engine)), ("folder", Text(result.log_dir))]
    if result.report is not None:
        rows.append(("report", Text(result.report, "bold")))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(label, text)
    return Group(Text(subject(result), "bold"), table)


def multirun_summary(points: Sequence[Point]) -> Group:
    """What a sweep prints at its end: a line for each point, and what nobody may overlook when quoting a figure."""
    from rich.console import Group
    from rich.text import Text

    results = [point.result for point in points if point.result is not None]
    said = Counter(caveat for result in results for caveat in caveats(result))
    return Group(
        _points(points),
        *(
            Text(f"{label}{'' if count == len(results) else f' ({count} of {len(results)})'}: {sentence}", "yellow")
            for (label, sentence), count in said.items()
        ),
    )


def _points(points: Sequence[Point]) -> Table:
    """The best VALID one has a star."""
    from rich.table import Table
    from rich.text import Text

    best, keys, tokens = best_point(points), swept(points), measured(points)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("#", justify="right")
    for key in keys or ("overrides",):
        table.add_column(key, overflow="fold")
    table.add_column("figure", justify="right", no_wrap=True)
    for latency in tokens:
        table.add_column(latency.head, justify="right", no_wrap=True)
    table.add_column("validity", no_wrap=True)
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for index, point in enumerate(points):
        values = assignments(point)
        told = [Text(values.get(key, "default")) for key in keys] or [Text(" ".join(point.overrides))]
        result, metric = point.result, point.headline
        if result is None:
            failed = Text("failed", _STYLE["bad"])
            table.add_row(f"{index + 1}", *told, "", *("" for _ in tokens), failed, "", Text(point.error or "", "red"))
            continue
        verdict = validity(result)
        shown = "" if metric is None else f"{'★ ' if index == best else ''}{figure(metric.value, metric.unit)}"
        accuracy = Text("")
        if result.accuracy is not None:
            accuracy = Text(precise(result.accuracy.value), _STYLE[accuracy_verdict(result.accuracy).tone])
        word = Text(verdict.word, _STYLE[verdict.tone])
        taken = [_token_latency(result, latency) for latency in tokens]
        why = Text("; ".join(result.reasons), "red")
        table.add_row(f"{index + 1}", *told, Text(shown, "bold"), *taken, word, accuracy, why)
    return table


def _token_latency(result: RunResult, latency: TokenLatency) -> Text:
    from rich.text import Text

    value, limit = latency.of(result), latency.limit(result)
    if value is None:
        return Text("")
    against = "" if limit is None else f" / {duration(limit, 3)}"
    return Text(f"{duration(value)}{against}", "" if latency.kept(result) else "red")


def _latency(latency: dict[str, float]) -> str:
    shown = {percentile: ns for key, ns in latency.items() if (percentile := percentile_of(key)) in _LATENCIES_SHOWN}
    parts = [f"{rank(percentile)} {duration(ns)}" for percentile, ns in sorted(shown.items()) if percentile is not None]
    return "  ".join(parts or (f"{key} {duration(ns)}" for key, ns in latency.items()))
