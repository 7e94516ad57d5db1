"""Plain tables: aligned columns that read well on a terminal and survive a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Lines with aligned columns under their heads.

    Args:
        heads: one per column.
        rows: cells of each row, as many as there are heads; line breaks in them are escaped.
        right: heads of columns of figures, aligned to the right.
    """
    body = [list(heads), *(list(map(one_line, row)) for row in rows)]
    widths = [max(len(row[column]) for row in body) for column in range(len(heads))]
    lines = []
    for row in body:
        cells = [
            f"{cell:>{width}}" if head in right else f"{cell:<{width}}"
            for cell, width, head in zip(row, widths, heads, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def one_line(text: str) -> str:
    """The text where it prints on one line, else with its control characters escaped as JSON has them."""
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)[1:-1]
