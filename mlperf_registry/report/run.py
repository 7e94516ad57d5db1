"""The HTML report of one run: what came out, whether it counts, how it went, and on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from mlperf_registry.report import svg
from mlperf_registry.report.markup import Html, escape, tag
from mlperf_registry.report.numbers import Figure, duration, figure, number, precise, rank, setting, size
from mlperf_registry.report.page import REPORT_NAME, bullets, card, chips, facts, page, plot, write_page
from mlperf_registry.report.provenance import ProvenanceRow, config_table
from mlperf_registry.report.samples import (
    Distribution,
    Drift,
    Samples,
    Throughput,
    distribution,
    drift,
    load_samples,
    throughput,
)
from mlperf_registry.report.verdict import (
    accuracy_verdict,
    caveats,
    headline,
    metric_name,
    needed,
    obstacles,
    percentile_of,
    subject,
    unscored,
    validity,
)
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.result import Accuracy, RunResult

_WIDE = 1100
_FILES_SHOWN = 200


def write_run_report(
    folder: Path,
    result: RunResult,
    settings: LoadGenSettings | None = None,
    provenance: Sequence[ProvenanceRow] = (),
    samples: Path | None = None,
    *,
    accuracy_unit: str = "",
) -> Path:
    """Writes ``folder/report.html`` and returns its path.

    Args:
        folder: the run's folder; what it holds when this is called is listed, so write result.json first.
        result: the run.
        settings: LoadGen's settings of the performance run; they give the bounds that plots show.
        provenance: the leaves of the configuration, in the schema's order.
        samples: samples.npz. A missing or damaged one costs the plots, never the report.
        accuracy_unit: unit of the accuracy metric.
    """
    content = [
        _header(result),
        _headline(result, accuracy_unit),
        *_warnings(result),
        *_course(result, settings, samples),
    ]
    if provenance:
        content.append(card("Configuration", config_table(provenance)))
    content += [_environment(result), _engine_and_files(folder, result), _footer(result)]
    return write_page(folder / REPORT_NAME, page(subject(result), *content))


def _header(result: RunResult) -> Html:
    labels = [(label, doc, "warn") for label, doc in caveats(result)]
    labels += [(f"accuracy target {result.accuracy_target}", "", ""), (result.power_setting, "", "")]
    labels += [
        (f"harness {result.harness}", "", ""),
        (f"backend {result.backend}", "", ""),
        (f"rules of {result.round}", "", ""),
    ]
    labels += [_values_label(result)]
    labels += [(result.division if result.category is None else f"{result.division}, {result.category}", "", "")]
    if not caveats(result):
        labels.append((f"mode {result.mode}", "", ""))
    return tag(
        "header",
        tag("p", f"MLPerf Inference run {result.run_id}, {_moment(result.started)}", class_="kicker"),
        tag("h1", f"{result.benchmark} · {result.scenario} ", tag("span", f"on {result.system}", class_="on")),
        chips(labels),
        *(tag("p", tag("strong", label), f": {sentence}", class_="note caveat") for label, sentence in caveats(result)),
    )


def _values_label(result: RunResult) -> tuple[str, str, str]:
    if result.tuned_round == "none":
        return "untuned", "", ""
    if result.derived_from is None:
        return f"tuned {result.tuned_round}", "", ""
    base = result.derived_from
    doc = f"Nobody tuned {result.system}: it starts from the values of {base}, scaled to its accelerators."
    return f"derived from {base}, {result.tuned_round}", doc, ""


def _headline(result: RunResult, accuracy_unit: str) -> Html:
    shown, name = headline(result)
    if not result.metrics:
        shown = Figure(shown.number, accuracy_unit)
    verdict = validity(result)
    first = tag(
        "section",
        tag("p", name, class_="what", title=result.metrics[0].name if result.metrics else None),
        tag("p", shown.number, tag("small", shown.unit), class_="big"),
        tag("span", verdict.word, class_=f"badge {verdict.tone}"),
        _other_metrics(result),
        class_="card",
    )
    return tag("div", first, _accuracy(result.accuracy, accuracy_unit), _submittable(result), class_="cards")


def _other_metrics(result: RunResult) -> Html:
    rest = [f"{metric_name(metric)}: {figure(metric.value, metric.unit)}" for metric in result.metrics[1:]]
    return tag("div", bullets(rest), class_="note") if rest else escape("")


def _accuracy(accuracy: Accuracy | None, unit: str) -> Html:
    heading = tag("p", "Accuracy" if accuracy is None else f"Accuracy: {accuracy.metric}", class_="what")
    if accuracy is None:
        return tag("section", heading, tag("p", "not measured", class_="middle soft-text"), class_="card")
    verdict = accuracy_verdict(accuracy)
    badge = tag("span", verdict.word, class_=f"badge {verdict.tone}")
    lack = f"; {unscored(accuracy)}" if accuracy.unscored else ""
    scored = tag("p", f"{accuracy.samples:,} samples scored{lack}", class_="note")
    value = tag("p", precise(accuracy.value), tag("small", unit), badge, class_="middle")
    if accuracy.target is None:
        return tag(
            "section", heading, value, tag("p", "No round gives a target.", class_="note"), scored, class_="card"
        )
    said = f"{precise(accuracy.value)} {unit} against a target of {precise(accuracy.target)} {unit}"
    picture = svg.bullet("accuracy", said, accuracy.value, accuracy.target, passed=accuracy.passed)
    target = tag("p", f"target {precise(accuracy.target)} {unit}".rstrip(), class_="note")
    return tag("section", heading, value, picture, target, scored, class_="card")


def _submittable(result: RunResult) -> Html:
    heading = tag("p", f"Under the rules of round {result.round}", class_="what")
    if result.submittable:
        text = tag("p", "No rule that a run can show is breached, and accuracy is met. A submission still needs:")
        needs = tag("div", text, bullets(needed(result)), class_="note")
        return tag(
            "section", heading, tag("p", "This cell keeps them", class_="middle good-text"), needs, class_="card"
        )
    why = tag("div", bullets(obstacles(result)), class_="note")
    return tag("section", heading, tag("p", "Not submittable", class_="middle"), why, class_="card")


def _warnings(result: RunResult) -> Iterable[Html]:
    if result.reasons:
        heading = "Why it is INVALID" if result.valid is False else "What went wrong"
        yield card(heading, bullets(result.reasons), css="alert bad")
    if result.rule_breaches:
        yield card(f"Rules of round {result.round} not kept", bullets(map(str, result.rule_breaches)), css="alert warn")
    if result.remarks:
        yield card(f"What {result.backend} remarks", bullets(result.remarks))


def _course(result: RunResult, settings: LoadGenSettings | None, path: Path | None) -> Iterable[Html]:
    """How the performance run went: percentiles, and what its samples tell."""
    if result.valid is None and path is None:
        return
    samples, lack = _samples(path)
    if samples is None:
        yield card("Latency", _percentiles("Latency", result.latency, None), note=f"No plots: {lack}")
        return
    bound = _latency_bound(settings)
    spread = distribution(samples.latency_ns, () if bound is None else (bound[1],))
    sections = [_latency(result, samples, spread, bound), _over_time(result, samples, bound)]
    # In Offline everything is issued at once: the rate tells the story, latency hardly any.
    yield from reversed(sections) if result.scenario == "Offline" else sections
    yield from _tokens(result, samples, settings)


def _samples(path: Path | None) -> tuple[Samples | None, str]:
    if path is None:
        return None, "this run recorded no samples.npz."
    try:
        return load_samples(path), ""
    except FileNotFoundError:
        return None, f"{path.name} is not there; it is written at the end of a performance run."
    except ValueError as error:
        return None, str(error)


def _latency_bound(settings: LoadGenSettings | None) -> tuple[int, float] | None:
    """(ns, percentile that must keep it) where the scenario has a bound on sample latency."""
    if (
        settings is None
        or settings.scenario != "Server"
        or settings.use_token_latencies
        or settings.server_target_latency_ns <= 0
    ):
        return None
    return settings.server_target_latency_ns, round(settings.server_target_latency_percentile * 100, 6)


def _latency(result: RunResult, samples: Samples, spread: Distribution, bound: tuple[int, float] | None) -> Html:
    notes = ["LoadGen's percentiles are the ones that count; plots show times that the SUT took itself (samples.npz)."]
    if result.scenario == "Offline":
        notes.append("Offline issues all samples at once: the latency of a sample is when it was done.")
    elif result.scenario in ("Server", "Interactive"):
        notes.append("LoadGen counts from when a query was due, the SUT from when it was issued.")
    elif result.scenario == "MultiStream":
        notes.append("LoadGen counts whole queries, the SUT single samples.")
    if samples.unfinished:
        notes.append(f"{samples.unfinished:,} samples never completed and are left out.")
    wide = spread.count < 20 or spread.minimum == spread.maximum or result.scenario == "Offline"
    plots = plot("Histogram", _histogram("latency", "latency", spread, bound, width=_WIDE if wide else 540), "SUT-side")
    if not wide:
        plots = tag("div", plots, plot("By percentile", _tail(spread, bound), "SUT-side"), class_="pair")
    return card("Latency", plots, _percentiles("Latency", result.latency, spread, bound), note=" ".join(notes))


def _percentiles(
    what: str, by_loadgen: dict[str, float] | None, spread: Distribution | None, bound: tuple[int, float] | None = None
) -> Html:
    """A table of LoadGen's percentiles above the SUT's own."""
    theirs: dict[str, float] = {}
    for key, ns in (by_loadgen or {}).items():
        percentile = percentile_of(key)
        theirs[key if percentile is None else rank(percentile)] = ns
    ours: dict[str, float] = {}
    if spread is not None:
        ours = {"min": spread.minimum, "mean": spread.mean, **{rank(p): ns for p, ns in spread.percentiles.items()}}
        ours["max"] = spread.maximum
    names = sorted({*theirs, *ours}, key=_percentile_order)
    if not names:
        return tag("p", "LoadGen's summary gives no latency percentiles.", class_="note")
    rows = [
        tag(
            "tr",
            tag("th", source, scope="row"),
            *(tag("td", duration(taken[name]) if name in taken else "", class_="figure") for name in names),
        )
        for source, taken in (("LoadGen", theirs), ("SUT-side", ours))
        if taken
    ]
    if bound is not None:
        limit, decisive = rank(bound[1]), rank(bound[1]) if rank(bound[1]) in theirs else None
        kept = (theirs if decisive else ours).get(limit, 0.0) <= bound[0]
        said = tag("span", f"{'≤' if kept else '>'} {duration(bound[0])}", class_="good-text" if kept else "bad-text")
        rows.append(
            tag(
                "tr",
                tag("th", "bound", scope="row"),
                *(tag("td", said if name == limit else "", class_="figure") for name in names),
            )
        )
    head = tag("thead", tag("tr", tag("td"), *(tag("th", name, scope="col", class_="figure") for name in names)))
    return tag("div", tag("table", tag("caption", f"{what} percentiles"), head, tag("tbody", *rows)), class_="scroll")


def _percentile_order(name: str) -> tuple[int, float, str]:
    named = {"min": 0, "mean": 1, "max": 3}
    return (named.get(name, 2), percentile_of(name) or 0.0, name)


def _histogram(
    name: str, what: str, spread: Distribution, bound: tuple[int, float] | None, *, width: float = 540
) -> Html:
    """A histogram of times with p50, p90 and p99, and the bound where there is one."""
    low, high = spread.edges[0], spread.edges[-1]
    limit = None if bound is None else bound[0]
    # A bound far away would squeeze the data into a corner; the table still tells of it.
    if limit is not None and limit > high and (spread.log or limit < 2.5 * high):
        high = limit * 1.04
    counts = spread.counts
    ends = list(zip(spread.edges, spread.edges[1:], strict=False))
    marked: dict[float, list[str]] = {}
    for percentile in (50.0, 90.0, 99.0):
        marked.setdefault(spread.percentiles[percentile], []).append(rank(percentile))
    markers = [svg.Marker(ns, f"{' '.join(names)} {duration(ns, 3)}", "") for ns, names in marked.items()]
    if limit is not None:
        markers.append(svg.Marker(limit, f"bound {duration(limit, 3)}", "bound"))
    middle, tail = spread.percentiles[50], spread.percentiles[99]
    return svg.figure(
        name,
        f"Histogram of {what}",
        f"{spread.count:,} samples; half within {duration(middle)}, 99 % within {duration(tail)}, "
        f"longest {duration(spread.maximum)}.",
        svg.time_axis(low, high, what, log=spread.log),
        svg.value_axis(max(counts), "samples"),
        [
            svg.bars(
                spread.edges,
                counts,
                [
                    svg.histogram_tip(duration(a), duration(b), n, spread.count)
                    for (a, b), n in zip(ends, counts, strict=True)
                ],
                ["over" if limit is not None and a >= limit else "" for a, _ in ends],
            )
        ],
        markers=markers,
        width=width,
    )


def _tail(spread: Distribution, bound: tuple[int, float] | None) -> Html:
    """Latency against percentile, with room for the last nines."""
    log = spread.log
    top = max(spread.maximum, 0 if bound is None or bound[0] > 3 * spread.maximum else bound[0])
    y_axis = (
        svg.time_axis(spread.minimum * 0.9, top * 1.15, "latency", log=True)
        if log
        else svg.time_axis(0, top * 1.08, "latency")
    )
    marks = [
        svg.line(spread.curve),
        svg.hover_columns([(x, f"{_share(x)} of samples within {duration(ns)}") for x, ns in spread.curve[::2]]),
    ]
    levels = (
        [] if bound is None else [svg.Marker(bound[0], f"bound {duration(bound[0], 3)} for {rank(bound[1])}", "bound")]
    )
    at = "; ".join(f"{rank(p)} {duration(ns)}" for p, ns in spread.percentiles.items())
    x_axis = svg.nines_axis(spread.curve[-1][0])
    return svg.figure("tail", "Latency by percentile", f"{at}.", x_axis, y_axis, marks, levels=levels)


def _share(nines: float) -> str:
    return f"{100 * (1 - 10.0**-nines):.{max(1, int(nines))}f} %"


def _over_time(result: RunResult, samples: Samples, bound: tuple[int, float] | None) -> Html:
    course = throughput(samples)
    rate = f"dashed: mean {number(course.mean)} samples/s"
    told = f"completed samples per second, SUT-side, spans of {_span(course)}; {rate}"
    parts = [plot("Throughput", _rates(course), told)]
    course_of_latency = None if result.scenario == "Offline" else drift(samples)
    if course_of_latency is not None:
        parts.append(plot("Latency", _drift(course_of_latency, bound), "by time of issue, SUT-side"))
    return card("Over time", *parts)


def _span(course: Throughput) -> str:
    return duration(course.edges[1] - course.edges[0], 3)


def _rates(course: Throughput) -> Html:
    tips = [
        f"{duration(a, 3)} to {duration(b, 3)}: {number(rate)} samples/s"
        for a, b, rate in zip(course.edges, course.edges[1:], course.rates, strict=False)
    ]
    mean = f"mean {number(course.mean)}"
    return svg.figure(
        "throughput",
        "Completed samples per second over time",
        f"{mean} samples/s over {duration(course.edges[-1])}; "
        f"lowest span {number(min(course.rates))}, highest {number(max(course.rates))}.",
        svg.time_axis(0, course.edges[-1], "time since the first issue", about=12),
        svg.value_axis(max(course.rates) * 1.06, "samples/s", about=4),
        [svg.stairs(course.edges, course.rates, tips)],
        levels=[svg.Marker(course.mean, "", "mean")],
        width=_WIDE,
        height=230,
    )


def _drift(course: Drift, bound: tuple[int, float] | None) -> Html:
    top = max(course.p99)
    if bound is not None and bound[0] < 3 * top:
        top = max(top, bound[0])
    tips = [
        (centre, f"at {duration(centre, 3)}\np50 {duration(p50)}\np99 {duration(p99)}")
        for centre, p50, p99 in zip(course.centres, course.p50, course.p99, strict=True)
    ]
    return svg.figure(
        "drift",
        "Latency over time",
        f"Median from {duration(min(course.p50))} to {duration(max(course.p50))}, "
        f"p99 from {duration(min(course.p99))} to {duration(max(course.p99))}.",
        svg.time_axis(0, course.centres[-1] + course.centres[0], "time of issue", about=12),
        svg.time_axis(0, top * 1.12, "latency", about=4),
        [
            svg.line(list(zip(course.centres, course.p99, strict=True)), "second", "p99"),
            svg.line(list(zip(course.centres, course.p50, strict=True)), "first", "p50"),
            svg.hover_columns(tips),
        ],
        levels=[] if bound is None else [svg.Marker(bound[0], f"bound {duration(bound[0], 3)}", "bound")],
        width=_WIDE,
        height=230,
    )


def _tokens(result: RunResult, samples: Samples, settings: LoadGenSettings | None) -> Iterable[Html]:
    """Output tokens, and where answers stream the times to the first one and between the others."""
    # LoadGen holds no other scenario to a bound on them.
    bounds = settings if settings is not None and settings.use_token_latencies else None
    if bounds is not None and bounds.scenario != "Server":
        bounds = None
    plots, tables, told = [], [], []
    if samples.token_count is not None:
        count, seconds = int(samples.token_count.sum()), float(samples.complete_ns.max()) / 1e9
        told.append(
            f"{count:,} output tokens, {number(count / samples.token_count.size)} a sample, "
            f"{number(count / seconds)} tokens/s over the whole run, SUT-side."
        )
    ttft, tpot = samples.ttft_ns, samples.tpot_ns
    if ttft is not None:
        bound = None if bounds is None else (bounds.ttft_latency_ns, 99.0)
        spread = distribution(ttft)
        plots.append(plot("Time to first token", _histogram("ttft", "TTFT", spread, bound), "SUT-side"))
        tables.append(_percentiles("TTFT", result.ttft, spread, bound))
    if tpot is not None:
        bound = None if bounds is None else (bounds.tpot_latency_ns, 99.0)
        spread = distribution(tpot)
        plots.append(
            plot("Time per output token", _histogram("tpot", "TPOT", spread, bound), "SUT-side, after the first")
        )
        tables.append(_percentiles("TPOT", result.tpot, spread, bound))
    if plots:
        tables.insert(0, tag("div", *plots, class_="pair"))
    if told or tables:
        yield card("Tokens", *tables, note=" ".join(told))


def _environment(result: RunResult) -> Html:
    host = [
        (
            name.removesuffix("_bytes"),
            size(value) if name.endswith("_bytes") and isinstance(value, int) else setting(value),
        )
        for name, value in result.host.items()
    ]
    versions = sorted(result.versions.items())
    return card("Environment", tag("div", facts("Host", host), facts("Versions", versions), class_="facts"))


def _engine_and_files(folder: Path, result: RunResult) -> Html:
    engine = [
        ("key", tag("code", result.engine.key)),
        ("folder", tag("code", result.engine.path)),
        ("origin", "reused from the engine cache" if result.engine.reused else "built for this run"),
        ("configuration", tag("code", result.config_digest)),
        *((f"{name} seed", tag("code", str(seed))) for name, seed in result.seeds.items()),
    ]
    found = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith((".", REPORT_NAME))
    ]
    files: list[tuple[str, str]] = [
        (_file_link(path.relative_to(folder)), size(path.stat().st_size)) for path in found[:_FILES_SHOWN]
    ]
    if len(found) > _FILES_SHOWN:
        files.append((f"and {len(found) - _FILES_SHOWN:,} more", ""))
    listed = facts("Files", files) if files else tag("p", "The run's folder holds no other file.", class_="note")
    return card("Engine and files", tag("div", facts("Engine", engine), listed, class_="facts"))


def _file_link(path: Path) -> Html:
    return tag("a", path.as_posix(), href=quote(path.as_posix(), errors="surrogateescape"))


def _footer(result: RunResult) -> Html:
    return tag("footer", f"{result.log_dir}: result.json, form {result.schema}. Times are UTC.")


def _moment(started: str) -> str:
    """ISO 8601 as people write it."""
    return started.replace("T", " ").partition(".")[0].removesuffix("Z").removesuffix("+00:00") + " UTC"
