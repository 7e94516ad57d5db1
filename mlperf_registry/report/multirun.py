"""The HTML report of a multirun: every point, the best that counts, and how the figure follows what was swept."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from mlperf_registry.report import svg
from mlperf_registry.report.markup import Html, tag
from mlperf_registry.report.numbers import duration, duration_unit, figure, precise
from mlperf_registry.report.page import REPORT_NAME, bullets, card, chips, page, write_page
from mlperf_registry.report.points import Point, assignments, best_point, lower_is_better, report_link, swept
from mlperf_registry.report.token_latency import TokenLatency, measured
from mlperf_registry.report.verdict import accuracy_verdict, caveats, headline, metric_name, validity
from mlperf_registry.schema.quantity import parse_quantity
from mlperf_registry.schema.result import Metric, RunResult

_WIDE = 1100

Measured = tuple[int, Point, RunResult, Metric]
"""A point with a figure, and its index."""


def write_multirun_report(folder: Path, points: Sequence[Point]) -> Path:
    """Writes ``folder/report.html`` over one or more points, in the order they ran, and returns its path."""
    best, keys = best_point(points), swept(points)
    title = _title(points)
    content = [_header(points, keys, title), _headline(points, best, keys)]
    content += [_figure(index, group, points, best, keys) for index, group in enumerate(_by_metric(points))]
    content += _token_figures(points, keys)
    content += [_table(folder, points, best, keys), *_failures(points, keys)]
    return write_page(folder / REPORT_NAME, page(title, *content))


def describe(point: Point, keys: Sequence[str]) -> str:
    """The point by the settings that set it apart; by all its overrides where nothing was swept."""
    values = assignments(point)
    told = [f"{key}={values[key]}" for key in keys if key in values]
    return ", ".join(told) if told else " ".join(point.overrides) or "no overrides"


def _title(points: Sequence[Point]) -> str:
    results = [point.result for point in points if point.result is not None]
    parts = {
        "benchmarks": {result.benchmark for result in results},
        "scenarios": {result.scenario for result in results},
        "systems": {result.system for result in results},
    }
    told = (next(iter(names)) if len(names) == 1 else f"{len(names)} {what}" for what, names in parts.items() if names)
    return " · ".join(told) or "Multirun"


def _header(points: Sequence[Point], keys: Sequence[str], title: str) -> Html:
    results = [point.result for point in points if point.result is not None]
    labels = [
        (label, doc, "warn") for label, doc in dict.fromkeys(caveat for result in results for caveat in caveats(result))
    ]
    held = {key: value for point in points for key, value in assignments(point).items() if key not in keys}
    labels += [(f"{key}={value}" if value else key, "the same in every point", "") for key, value in held.items()]
    return tag(
        "header",
        tag("p", f"MLPerf Inference multirun of {len(points)} points", class_="kicker"),
        tag("h1", title),
        chips(labels),
    )


def _headline(points: Sequence[Point], best: int | None, keys: Sequence[str]) -> Html:
    return tag("div", _best(points, best, keys), _tally(points), _sweep(points, keys), class_="cards")


def _best(points: Sequence[Point], best: int | None, keys: Sequence[str]) -> Html:
    result = None if best is None else points[best].result
    if best is None or result is None:
        kinds = {(metric.name, metric.unit) for point in points if (metric := point.headline) is not None}
        why = "No point is VALID with its accuracy met."
        if len(kinds) > 1:
            why = "The points have different metrics: compare them within each plot."
        none = tag("p", "none", class_="middle")
        return tag("section", tag("p", "Best point", class_="what"), none, tag("p", why, class_="note"), class_="card")
    shown, name = headline(result)
    return tag(
        "section",
        tag("p", f"★ Best VALID point: {name}", class_="what"),
        tag("p", shown.number, tag("small", shown.unit), class_="big"),
        tag("p", describe(points[best], keys), class_="path"),
        class_="card",
    )


def _tally(points: Sequence[Point]) -> Html:
    results = [point.result for point in points if point.result is not None]
    counts = [(f"{sum(result.valid is True for result in results)} VALID", "good")]
    for count, word, tone in (
        (sum(result.valid is False for result in results), "INVALID", "bad"),
        (sum(result.valid is None for result in results), "accuracy only", "plain"),
        (sum(point.result is None for point in points), "failed", "bad"),
    ):
        if count:
            counts.append((f"{count} {word}", tone))
    badges = (tag("p", tag("span", text, class_=f"badge {tone}")) for text, tone in counts)
    return tag("section", tag("p", f"{len(points)} points", class_="what"), *badges, class_="card")


def _sweep(points: Sequence[Point], keys: Sequence[str]) -> Html:
    told = [
        f"{key}: {', '.join(dict.fromkeys(values.get(key, 'default') for values in map(assignments, points)))}"
        for key in keys
    ]
    return tag(
        "section",
        tag("p", "Swept", class_="what"),
        tag("div", bullets(told or ["nothing differs"]), class_="note"),
        class_="card",
    )


def _by_metric(points: Sequence[Point]) -> Iterable[list[Measured]]:
    """The points with a figure, apart for each metric: figures of different kinds share no axis."""
    measured = [
        (index, point, point.result, metric)
        for index, point in enumerate(points)
        if point.result is not None and (metric := point.headline) is not None
    ]
    for _, group in groupby(sorted(measured, key=_kind), key=_kind):
        yield list(group)


def _kind(measured: Measured) -> tuple[str, str]:
    return measured[3].name, measured[3].unit


def _figure(number: int, group: list[Measured], points: Sequence[Point], best: int | None, keys: Sequence[str]) -> Html:
    metric = group[0][3]
    legend = ["lower is better" if lower_is_better(metric) else "higher is better"]
    legend += ["★ best VALID point"] if any(index == best for index, *_ in group) else []
    legend += ["amber: accuracy missed"] if any(_css(i, result, best) == "warn" for i, _, result, _ in group) else []
    legend += ["red: INVALID"] if any(result.valid is False for _, _, result, _ in group) else []
    values = _numeric([point for _, point, _, _ in group], keys)
    if values is None or len(set(values)) < 2:
        drawn, heading = _bars(number, group, best, keys), f"{metric_name(metric)} of each point"
    else:
        failed = [point for point in points if point.result is None]
        places = _numeric(failed, keys) or []
        legend += ["×: failed"] if places else []
        crosses = list(zip(places, failed, strict=False))
        drawn, heading = (
            _curve(number, group, crosses, best, keys[0], values),
            f"{metric_name(metric)} against {keys[0]}",
        )
    return card(heading, tag("figure", drawn), note=", ".join(legend))


def _numeric(points: Sequence[Point], keys: Sequence[str]) -> list[float] | None:
    """The swept values as numbers, where one setting was swept and all its values are numbers or quantities."""
    if len(keys) != 1:
        return None
    values = [value for point in points if (value := _value(assignments(point).get(keys[0], ""))) is not None]
    return values if len(values) == len(points) else None


def _value(text: str) -> float | None:
    with contextlib.suppress(ValueError):
        return value if math.isfinite(value := float(text)) else None
    for unit in ("ns", "B"):
        with contextlib.suppress(ValueError):
            return float(parse_quantity(text, unit))
    return None


def _axis(group: list[Measured], about: int = 5) -> svg.Axis:
    """The axis of the metric, from zero; a time gets the unit that fits."""
    metric = group[0][3]
    top = max(each.value for _, _, _, each in group) * 1.08
    if not lower_is_better(metric):
        return svg.value_axis(top, metric.unit, about=about)
    ns_per_unit = {"ns": 1, "us": 1_000, "usec": 1_000, "ms": 1_000_000, "s": 1_000_000_000}[metric.unit]
    unit, size = duration_unit(top * ns_per_unit)
    axis = svg.value_axis(top * ns_per_unit / size, unit, about=about)
    scale = size / ns_per_unit
    return svg.Axis(0, axis.high * scale, tuple((value * scale, label) for value, label in axis.ticks), unit)


def _tip(point: Point, result: RunResult, metric: Metric, keys: Sequence[str]) -> str:
    return f"{describe(point, keys)}\n{figure(metric.value, metric.unit)}, {validity(result).word}"


def _css(index: int, result: RunResult, best: int | None) -> str:
    if index == best:
        return "star"
    if result.valid is False:
        return "bad"
    return "warn" if result.accuracy is not None and not result.accuracy.passed else ""


def _curve(
    number: int,
    group: list[Measured],
    failed: list[tuple[float, Point]],
    best: int | None,
    key: str,
    values: list[float],
) -> Html:
    """The figure against one swept value; points that failed have a cross on the axis."""
    ordered = sorted(zip(values, group, strict=True), key=lambda pair: pair[0])
    marked = [
        (value, float(metric.value), _tip(point, result, metric, (key,)), _css(index, result, best))
        for value, (index, point, result, metric) in ordered
    ]
    marked += [(value, 0.0, f"{describe(point, (key,))}\nfailed: {point.error}", "cross") for value, point in failed]
    labels = [assignments(point)[key] for _, point, _, _ in group] + [assignments(point)[key] for _, point in failed]
    return svg.figure(
        f"points{number}",
        f"{metric_name(group[0][3])} against {key}",
        "; ".join(_tip(point, result, metric, (key,)).replace("\n", ": ") for _, (_, point, result, metric) in ordered),
        svg.values_axis([*values, *(value for value, _ in failed)], key, labels),
        _axis(group),
        [svg.line([(value, float(metric.value)) for value, (*_, metric) in ordered], "joined"), svg.dots(marked)],
        width=_WIDE,
        height=320,
    )


def _token_figures(points: Sequence[Point], keys: Sequence[str]) -> Iterable[Html]:
    """TTFT and TPOT against one swept value, each with its limit where all points have the same."""
    for latency in measured(points):
        having = [point for point in points if point.result is not None and latency.of(point.result) is not None]
        places = _numeric(having, keys)
        if places is not None and len(set(places)) > 1:
            yield card(
                f"{latency.head} against {keys[0]}", tag("figure", _token_curve(latency, having, keys[0], places))
            )


def _token_curve(latency: TokenLatency, points: Sequence[Point], key: str, places: Sequence[float]) -> Html:
    results = [point.result for point in points if point.result is not None]
    values = [latency.of(result) or 0.0 for result in results]
    limits = {latency.limit(result) for result in results}
    limit = next(iter(limits)) if len(limits) == 1 else None
    tips = [
        f"{describe(point, (key,))}\n{latency.head} {duration(ns)}" for point, ns in zip(points, values, strict=True)
    ]
    marked = sorted(
        (place, ns, tip, "" if latency.kept(result) else "bad")
        for place, ns, tip, result in zip(places, values, tips, results, strict=True)
    )
    return svg.figure(
        f"points-{latency.field}",
        f"{latency.head} against {key}",
        "; ".join(tip.replace("\n", ": ") for _, _, tip, _ in marked),
        svg.values_axis(places, key, [assignments(point)[key] for point in points]),
        svg.time_axis(0, max(*values, limit or 0) * 1.1, latency.head, about=5),
        [svg.line([(place, ns) for place, ns, *_ in marked], "joined"), svg.dots(marked)],
        levels=[] if limit is None else [svg.Marker(limit, f"limit {duration(limit, 3)}", "bound")],
        width=_WIDE,
        height=240,
    )


def _bars(number: int, group: list[Measured], best: int | None, keys: Sequence[str]) -> Html:
    edges = [place - 0.5 for place in range(len(group) + 1)]
    names = [describe(point, keys) for _, point, _, _ in group]
    # Long names would overlap: their number leads to the table, the tip tells the rest.
    short = [", ".join(part.partition("=")[2] or part for part in name.split(", ")) for name in names]
    fits = all(len(name) * 6.4 < 1000 / len(group) for name in short)
    ticks = tuple((float(p), short[p] if fits else f"#{group[p][0] + 1}") for p in range(len(group)))
    every = max(1, len(group) // 30)
    title = " × ".join(keys) if fits and keys else "point"
    return svg.figure(
        f"points{number}",
        f"{metric_name(group[0][3])} of each point",
        "; ".join(f"{name}: {figure(m.value, m.unit)}" for name, (_, _, _, m) in zip(names, group, strict=True)),
        svg.Axis(-0.5, len(group) - 0.5, ticks[::every], title),
        _axis(group),
        [
            svg.columns(
                edges,
                [float(metric.value) for *_, metric in group],
                [_tip(point, result, metric, keys) for _, point, result, metric in group],
                [_css(index, result, best) for index, _, result, _ in group],
            )
        ],
        width=_WIDE,
        height=320,
    )


def _table(folder: Path, points: Sequence[Point], best: int | None, keys: Sequence[str]) -> Html:
    settings, tokens = list(keys) or ["overrides"], measured(points)
    names = [
        ("#", "figure"),
        *((key, "") for key in settings),
        ("figure", "figure"),
        *((latency.head, "figure") for latency in tokens),
        ("validity", ""),
        ("accuracy", "figure"),
        ("report", ""),
    ]
    head = tag("thead", tag("tr", *(tag("th", name, scope="col", class_=css or None) for name, css in names)))
    rows = [_row(folder, index, point, keys, tokens, starred=index == best) for index, point in enumerate(points)]
    caption = tag("caption", "Every point, in the order it ran; a click on a head sorts.")
    table = tag("table", caption, head, tag("tbody", *rows), data_sortable=True)
    return card("Points", tag("div", table, class_="scroll"))


def _row(
    folder: Path, index: int, point: Point, keys: Sequence[str], tokens: Sequence[TokenLatency], *, starred: bool
) -> Html:
    values = assignments(point)
    told = [values.get(key, "default") for key in keys] or [describe(point, keys)]
    cells = [tag("td", f"{index + 1}", class_="figure"), *(tag("td", value, class_="path") for value in told)]
    result = point.result
    if result is None:
        failed = tag("td", tag("span", "failed", class_="badge bad"))
        empty = [tag("td", "", class_="figure")] * (1 + len(tokens))
        cells += [*empty, failed, tag("td", "", class_="figure"), tag("td")]
        return tag("tr", *cells)
    metric, verdict = point.headline, validity(result)
    shown = "" if metric is None else f"{'★ ' if starred else ''}{figure(metric.value, metric.unit)}"
    cells.append(tag("td", shown, class_="figure", data_sort="" if metric is None else repr(float(metric.value))))
    cells += [_token_cell(result, latency) for latency in tokens]
    cells.append(tag("td", tag("span", verdict.word, class_=f"badge {verdict.tone}")))
    cells.append(_accuracy_cell(result))
    link = report_link(result, folder)
    cells.append(tag("td", tag("a", "report", href=quote(link, errors="surrogateescape")) if link else ""))
    return tag("tr", *cells, class_="best" if starred else None)


def _token_cell(result: RunResult, latency: TokenLatency) -> Html:
    value, limit = latency.of(result), latency.limit(result)
    if value is None:
        return tag("td", "", class_="figure", data_sort="")
    shown = tag("span", duration(value), class_=None if latency.kept(result) else "bad-text")
    against = "" if limit is None else tag("small", f" / {duration(limit, 3)}")
    return tag("td", shown, against, class_="figure", data_sort=repr(float(value)))


def _accuracy_cell(result: RunResult) -> Html:
    accuracy = result.accuracy
    if accuracy is None:
        return tag("td", "", class_="figure", data_sort="")
    target = "" if accuracy.target is None else tag("small", f" / {precise(accuracy.target)}")
    css = f"{tone}-text" if (tone := accuracy_verdict(accuracy).tone) in ("good", "bad") else None
    return tag(
        "td", tag("span", precise(accuracy.value), class_=css), target, class_="figure", data_sort=repr(accuracy.value)
    )


def _failures(points: Sequence[Point], keys: Sequence[str]) -> Iterable[Html]:
    failed = [(index, point) for index, point in enumerate(points) if point.result is None]
    if failed:
        told = [
            f"#{index + 1} {describe(point, keys)}: {point.error or 'no error was recorded'}" for index, point in failed
        ]
        yield card("Failed points", bullets(told), css="alert bad")
    invalid = [
        (index, point.result)
        for index, point in enumerate(points)
        if point.result is not None and point.result.valid is False
    ]
    if invalid:
        told = [f"#{index + 1}: {'; '.join(result.reasons) or 'LoadGen gave no reason'}" for index, result in invalid]
        yield card("Why points are INVALID", bullets(told), css="alert warn")
