"""Plain tables: aligned columns that read well on a terminal and survive a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Lines with aligned columns under their heads.

    Args:
        heads: one per column.
        rows: cells of each row, as many as there are heads.
        right: heads of columns of figures, aligned to the right.
    """
    body = [list(heads), *(list(row) for row in rows)]
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
