"""Plots as inline SVG: axes with round ticks, bars, stairs, lines and labelled markers.

Drawn here and not by a plotting library, so that a report is one small file that follows the reader's light or dark
theme (colours are classes of page.css) and needs nothing to be installed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import attrs

from mlperf_registry.report.markup import Html, join, tag
from mlperf_registry.report.numbers import duration_unit, number, percent, rank
from mlperf_registry.report.samples import round_step

_CHARACTER = 6.4
"""Mean width of a character of tick and marker labels, in px."""
_ROW = 15.0
"""Height of a row of marker labels, in px."""
_LEFT, _RIGHT, _BOTTOM, _TOP = 64.0, 16.0, 42.0, 14.0


@attrs.frozen
class Axis:
    """A scale with its ticks. On a log axis both ends are above zero."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """(value, label), within the ends."""
    title: str
    log: bool = False

    def share(self, value: float) -> float:
        """Where ``value`` lies between the ends: 0 to 1, clamped."""
        if self.log:
            place = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            place = (value - self.low) / (self.high - self.low)
        return min(max(place, 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies between the ends."""
        return self.low <= value <= self.high


@attrs.frozen
class Marker:
    """A line across the plot at one value, with its label above the plot."""

    value: float
    label: str
    css: str


@attrs.frozen
class Frame:
    """The rectangle of a plot in px, and its axes."""

    width: float
    height: float
    top: float
    x_axis: Axis
    y_axis: Axis

    @property
    def right(self) -> float:
        return self.width - _RIGHT

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM

    def x(self, value: float) -> float:
        """Horizontal place of a value, in px."""
        return _LEFT + self.x_axis.share(value) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        """Vertical place of a value, in px."""
        return self.bottom - self.y_axis.share(value) * (self.bottom - self.top)


Mark = Callable[[Frame], Html]
"""Draws into a frame."""


def round_ticks(low: float, high: float, about: int) -> tuple[float, ...]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten from ``low`` to ``high``, at most about ``about`` of them."""
    if not high > low:
        return (low,)
    step = round_step((high - low) / max(about, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(k * step for k in range(first, last + 1))


def log_ticks(low: float, high: float, about: int) -> tuple[float, ...]:
    """Powers of ten from ``low`` to ``high``; with 2 and 5 times them where few decades leave room."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = tuple(
            f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d * (1 + 1e-9) <= high * (1 + 2e-9)
        )
        if 2 <= len(ticks) <= about + 1:
            return ticks
    every = max(1, math.ceil(len(decades) / about))
    ticks = tuple(10.0**d for d in decades if low <= 10.0**d <= high and d % every == 0)
    return ticks if len(ticks) >= 2 else round_ticks(low, high, about)


def time_axis(low: float, high: float, title: str, *, log: bool = False, about: int = 7) -> Axis:
    """Nanoseconds. A linear axis has one unit, in its title; a log axis writes each tick in the unit that fits."""
    if log:
        low = max(low, 1.0)
        high = max(high, low * 10)
        ticks = tuple((tick, _short_time(tick)) for tick in log_ticks(low, high, about))
        return Axis(low, high, ticks, f"{title}, log scale", log=True)
    high = high if high > low else low + 1
    unit, size = duration_unit(max(abs(low), abs(high)))
    values = round_ticks(low / size, high / size, about)
    return Axis(low, high, tuple((value * size, _plain(value)) for value in values), f"{title} ({unit})")


def value_axis(high: float, title: str, *, low: float = 0.0, about: int = 5) -> Axis:
    """A linear axis from ``low`` (zero) to a round value that ``high`` fits under."""
    high = high if high > low else low + 1
    step = round_step((high - low) / about)
    top = math.ceil(high / step - 1e-9) * step
    return Axis(low, top, tuple((tick, _plain(tick)) for tick in round_ticks(low, top, about)), title)


def nines_axis(high: float) -> Axis:
    """Percentiles by the number of their nines, so that the tail gets room: p0, p90, p99, p99.9, ..."""
    high = max(high, 1.0)
    ticks = [(0.0, "p0"), (-math.log10(0.5), "p50")]
    ticks += [(float(n), rank(100 * (1 - 10.0**-n)) if n < 6 else f"{n} nines") for n in range(1, math.floor(high) + 1)]
    return Axis(0.0, high, tuple(ticks), "percentile of samples")


def values_axis(values: Sequence[float], title: str, labels: Sequence[str]) -> Axis:
    """An axis whose ticks are the swept values themselves; log where they span more than a factor of eight."""
    low, high = min(values), max(values)
    log = low > 0 and high / low > 8
    pad = (high / low) ** 0.05 if log else (high - low) * 0.05
    ends = (low / pad, high * pad) if log else (low - pad, high + pad)
    bare = Axis(*ends, (), title, log=log)
    ticks: list[tuple[float, str]] = []
    for value, label in sorted(zip(values, labels, strict=True)):
        # Labels closer than this would overlap.
        if not ticks or bare.share(value) - bare.share(ticks[-1][0]) > 0.06:
            ticks.append((value, label))
    return attrs.evolve(bare, ticks=tuple(ticks))


def figure(
    name: str,
    title: str,
    description: str,
    x_axis: Axis,
    y_axis: Axis,
    marks: Sequence[Mark],
    *,
    markers: Sequence[Marker] = (),
    levels: Sequence[Marker] = (),
    width: float = 540,
    height: float = 270,
) -> Html:
    """A whole plot as an ``<svg>``.

    Args:
        name: unique in the page; makes the ids.
        title, description: what a screen reader says instead of the picture.
        markers: vertical lines at values of x, labelled above the plot; those out of range are left out.
        levels: horizontal lines at values of y, labelled at the right end; likewise.
    """
    shown = sorted((marker for marker in markers if x_axis.holds(marker.value)), key=lambda marker: marker.value)
    frame = Frame(width, height, _TOP, x_axis, y_axis)
    rows = _rows([(frame.x(marker.value), len(marker.label) * _CHARACTER) for marker in shown], frame.right)
    if shown:
        frame = attrs.evolve(frame, top=_TOP + _ROW * (max(row for row, _ in rows) + 1))
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        _grid(frame),
        join(mark(frame) for mark in marks),
        join(_marker(frame, marker, row, left) for marker, (row, left) in zip(shown, rows, strict=True)),
        join(_level(frame, level) for level in levels if y_axis.holds(level.value)),
        class_="plot wide" if width > 700 else "plot",
        id=name,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )


def bars(edges: Sequence[float], heights: Sequence[float], tips: Sequence[str], css: Sequence[str]) -> Mark:
    """A histogram: one bar between each two edges; a bar that is not empty is at least two px tall."""

    def draw(frame: Frame) -> Html:
        drawn = []
        for left, right, height, tip, kind in zip(edges, edges[1:], heights, tips, css, strict=False):
            if height <= 0:
                continue
            start, stop = frame.x(left), frame.x(right)
            gap = min(1.0, (stop - start) / 4)
            tall = max(frame.bottom - frame.y(height), 2.0)
            drawn.append(
                tag(
                    "rect",
                    class_=f"bar {kind}",
                    data_tip=tip,
                    x=start + gap / 2,
                    y=frame.bottom - tall,
                    width=max(stop - start - gap, 0.8),
                    height=tall,
                    rx=1.0,
                )
            )
        return tag("g", *drawn)

    return draw


def columns(edges: Sequence[float], heights: Sequence[float], tips: Sequence[str], css: Sequence[str]) -> Mark:
    """One bar per point, a third of its place left empty; no wider than a thumb."""
    middles = [(left + right) / 2 for left, right in itertools.pairwise(edges)]

    def draw(frame: Frame) -> Html:
        half = min((frame.x(edges[1]) - frame.x(edges[0])) / 3, 32.0)
        drawn = []
        for middle, height, tip, kind in zip(middles, heights, tips, css, strict=True):
            x, y = frame.x(middle), min(frame.y(height), frame.bottom - 2)
            size = {"width": 2 * half, "height": frame.bottom - y}
            drawn.append(tag("rect", class_=f"bar {kind}", data_tip=tip, x=x - half, y=y, rx=2, **size))
            if kind == "star":
                drawn.append(tag("text", "★", class_="above", x=x, y=y - 6, text_anchor="middle"))
        return tag("g", *drawn)

    return draw


def stairs(edges: Sequence[float], heights: Sequence[float], tips: Sequence[str]) -> Mark:
    """A value that holds between each two edges, as a filled step line."""

    def draw(frame: Frame) -> Html:
        corners = [
            f"{frame.x(place):.1f},{frame.y(height):.1f}"
            for left, right, height in zip(edges, edges[1:], heights, strict=False)
            for place in (left, right)
        ]
        base = f"{frame.bottom:.1f}"
        outline = f"{frame.x(edges[0]):.1f},{base} {' '.join(corners)} {frame.x(edges[-1]):.1f},{base}"
        return tag(
            "g",
            tag("polygon", class_="area", points=outline),
            tag("polyline", class_="line", points=" ".join(corners)),
            *(
                tag(
                    "rect",
                    class_="hit",
                    data_tip=tip,
                    x=frame.x(left),
                    y=frame.top,
                    width=frame.x(right) - frame.x(left),
                    height=frame.bottom - frame.top,
                )
                for left, right, tip in zip(edges, edges[1:], tips, strict=False)
            ),
        )

    return draw


def line(points: Sequence[tuple[float, float]], css: str = "", label: str = "") -> Mark:
    """A line through the points, in their order, with its label at its end."""

    def draw(frame: Frame) -> Html:
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        end_x, end_y = points[-1]
        return tag(
            "g",
            tag("polyline", class_=f"line {css}", points=path),
            tag("text", label, class_=f"label {css}", x=frame.x(end_x) - 4, y=frame.y(end_y) - 6, text_anchor="end")
            if label
            else "",
        )

    return draw


def dots(points: Sequence[tuple[float, float, str, str]]) -> Mark:
    """Points (x, y, tip, class); ``star`` and ``cross`` are drawn as such."""

    def draw(frame: Frame) -> Html:
        drawn = []
        for x, y, tip, kind in points:
            place = (frame.x(x), frame.y(y))
            if kind == "cross":
                left, right, top, bottom = place[0] - 5, place[0] + 5, place[1] - 5, place[1] + 5
                strokes = (
                    f"M{left:.1f} {top:.1f} L{right:.1f} {bottom:.1f} M{left:.1f} {bottom:.1f} L{right:.1f} {top:.1f}"
                )
                drawn.append(tag("path", class_="cross", data_tip=tip, d=strokes))
            elif kind == "star":
                drawn.append(tag("polygon", class_=f"dot {kind}", data_tip=tip, points=_star(*place)))
            else:
                drawn.append(tag("circle", class_=f"dot {kind}", data_tip=tip, cx=place[0], cy=place[1], r=4.5))
        return tag("g", *drawn)

    return draw


def hover_columns(points: Sequence[tuple[float, str]]) -> Mark:
    """Invisible columns around each x that carry a tip, for lines that are too thin to point at."""

    def draw(frame: Frame) -> Html:
        places = [frame.x(x) for x, _ in points]
        middles = [(a + b) / 2 for a, b in itertools.pairwise(places)]
        starts, stops = [places[0], *middles], [*middles, places[-1]]
        return tag(
            "g",
            *(
                tag(
                    "rect",
                    class_="hit",
                    data_tip=tip,
                    x=start,
                    y=frame.top,
                    width=max(stop - start, 1.0),
                    height=frame.bottom - frame.top,
                )
                for start, stop, (_, tip) in zip(starts, stops, points, strict=True)
            ),
        )

    return draw


def bullet(name: str, description: str, value: float, target: float, *, passed: bool) -> Html:
    """A bar for a value and a tick for its target, on a scale around both that makes their distance visible."""
    reach = max(abs(value - target) * 1.6, abs(target) * 0.02, 1e-9)
    low, high = target - reach, target + reach
    axis = Axis(low, high, (), "")
    width, height = 240.0, 22.0
    return tag(
        "svg",
        tag("title", description, id=f"{name}-title"),
        tag("rect", class_="track", x=0, y=8, width=width, height=6, rx=3),
        tag(
            "rect",
            class_=f"bar {'good' if passed else 'over'}",
            x=0,
            y=8,
            width=max(axis.share(value) * width, 2.0),
            height=6,
            rx=3,
        ),
        tag("line", class_="target", x1=width / 2, x2=width / 2, y1=2, y2=20),
        class_="bullet",
        id=name,
        role="img",
        aria_labelledby=f"{name}-title",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )


def histogram_tip(low: str, high: str, count: int, total: int) -> str:
    """What a bar of a histogram says when pointed at."""
    return f"{low} to {high}: {count:,} {'sample' if count == 1 else 'samples'} ({percent(count / total)})"


def _grid(frame: Frame) -> Html:
    """Axes, grid lines, ticks and titles."""
    middle_x, middle_y = (_LEFT + frame.right) / 2, (frame.top + frame.bottom) / 2
    return tag(
        "g",
        *(
            tag("line", class_="grid", x1=_LEFT, x2=frame.right, y1=frame.y(value), y2=frame.y(value))
            + tag("text", label, class_="tick", x=_LEFT - 8, y=frame.y(value) + 4, text_anchor="end")
            for value, label in frame.y_axis.ticks
        ),
        tag("line", class_="axis", x1=_LEFT, x2=frame.right, y1=frame.bottom, y2=frame.bottom),
        *(
            tag("line", class_="axis", x1=frame.x(value), x2=frame.x(value), y1=frame.bottom, y2=frame.bottom + 4)
            + tag("text", label, class_="tick", x=frame.x(value), y=frame.bottom + 17, text_anchor="middle")
            for value, label in frame.x_axis.ticks
        ),
        tag("text", frame.x_axis.title, class_="title", x=middle_x, y=frame.height - 6, text_anchor="middle"),
        tag(
            "text", frame.y_axis.title, class_="title", x=-middle_y, y=11, transform="rotate(-90)", text_anchor="middle"
        ),
        aria_hidden="true",
    )


def _rows(labels: Sequence[tuple[float, float]], right: float) -> list[tuple[int, float]]:
    """Row and left edge of each label (place, width), so that no two labels overlap and none leaves the plot."""
    ends: list[float] = []
    placed = []
    for place, width in labels:
        left = min(max(place - width / 2, _LEFT), right - width)
        row = next((row for row, end in enumerate(ends) if end + 8 <= left), len(ends))
        ends[row : row + 1] = [left + width]
        placed.append((row, left))
    return placed


def _marker(frame: Frame, marker: Marker, row: int, left: float) -> Html:
    x, y = frame.x(marker.value), _TOP + _ROW * row
    return tag(
        "g",
        tag("line", class_=f"marker {marker.css}", x1=x, x2=x, y1=y + 3, y2=frame.bottom),
        tag(
            "text",
            marker.label,
            class_=f"label {marker.css}",
            x=left + len(marker.label) * _CHARACTER / 2,
            y=y,
            text_anchor="middle",
        ),
    )


def _level(frame: Frame, level: Marker) -> Html:
    y = frame.y(level.value)
    return tag(
        "g",
        tag("line", class_=f"marker {level.css}", x1=_LEFT, x2=frame.right, y1=y, y2=y),
        tag("text", level.label, class_=f"label {level.css}", x=frame.right - 2, y=y - 5, text_anchor="end")
        if level.label
        else "",
    )


def _star(x: float, y: float) -> str:
    corners = []
    for k in range(10):
        radius, angle = (9.5 if k % 2 == 0 else 4.2), math.pi * k / 5 - math.pi / 2
        corners.append(f"{x + radius * math.cos(angle):.1f},{y + radius * math.sin(angle):.1f}")
    return " ".join(corners)


def _plain(value: float) -> str:
    """A tick's label: no trailing zeros, thousands separated, k and M above ten thousand."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 10 or (size > 1e3 and abs(value) >= size):
            return f"{value / size:.6g}{suffix}"
    return f"{value:,.6g}" if value == 0 or abs(value) >= 1e-4 else number(value, 3)


def _short_time(ns: float) -> str:
    unit, size = duration_unit(ns * (1 + 1e-9))
    return f"{ns / size:.3g} {unit}"
