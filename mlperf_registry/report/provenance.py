"""The configuration of a run as a table: each value, and the chain of files and overrides that led to it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from mlperf_registry.report.markup import Html, tag
from mlperf_registry.report.numbers import rounder, setting, spelt

FIELD_DEFAULT = "field default"
"""Origin of a value that nothing set."""

_TOP = "workload"

Link = tuple[str, int | None, object]
"""(origin, 1-based line or None, value)."""


@attrs.frozen
class ProvenanceRow:
    """One leaf of the configuration."""

    path: str
    """Dotted path."""
    value: object
    """The value that holds."""
    unit: str | None
    doc: str
    chain: tuple[Link, ...]
    """Who set it, oldest first; the last link won. Empty or ``field default`` alone: nobody did."""

    @property
    def is_default(self) -> bool:
        """Whether the value is the field's own."""
        return all(origin == FIELD_DEFAULT for origin, _, _ in self.chain)


def config_table(rows: Sequence[ProvenanceRow]) -> Html:
    """The table, a body per section, with the tools that page.js brings to life."""
    tools = tag(
        "div",
        tag("input", type="search", placeholder="find a setting", aria_label="find a setting"),
        tag("label", tag("input", type="checkbox"), " only what a file, a choice or an override set"),
        class_="tools",
        hidden=True,
    )
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in ("setting", "value", "set by"))))
    sections: dict[str, list[ProvenanceRow]] = {_TOP: []}
    for row in rows:
        sections.setdefault(row.path.partition(".")[0] if "." in row.path else _TOP, []).append(row)
    bodies = [
        tag("tbody", tag("tr", tag("th", section, colspan=3, scope="rowgroup"), class_="group"), *map(_row, held))
        for section, held in sections.items()
        if held
    ]
    caption = tag("caption", "Every value and who set it; open an origin to see what it overrode.")
    return tools + tag("div", tag("table", caption, head, *bodies, class_="config"), class_="scroll")


def _row(row: ProvenanceRow) -> Html:
    return tag(
        "tr",
        tag("td", tag("span", row.path, class_="path"), tag("div", row.doc, class_="doc") if row.doc else ""),
        tag("td", *_value(row.value, row.unit)),
        tag("td", _origin(row.chain)),
        class_="default" if row.is_default else None,
    )


def _value(value: object, unit: str | None) -> tuple[str, ...]:
    shown = setting(value) if unit is None or value is None else f"{setting(value)} {spelt(unit)}"
    also = rounder(value, unit)
    return (shown, tag("div", f"= {also}", class_="doc") if also else "")


def _origin(chain: tuple[Link, ...]) -> Html:
    if not chain:
        return tag("span", FIELD_DEFAULT, class_="path")
    winner = tag("span", _where(chain[-1]), class_="path")
    if len(chain) == 1:
        return winner
    older = len(chain) - 1
    links = (tag("li", tag("span", _where(link), class_="path"), f" → {setting(link[2])}") for link in chain)
    return tag("details", tag("summary", winner, tag("span", f"  over {older}", class_="doc")), tag("ol", *links))


def _where(link: Link) -> str:
    origin, line, _ = link
    return origin if line is None else f"{origin}:{line}"
