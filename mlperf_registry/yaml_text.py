"""Writes values as YAML that a person would be glad to edit: short sections on one line, long ones spread out.

PyYAML's own writer knows one style for a whole file, and neither quotes nor breaks lines as a person does.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlperf_registry.schema.quantity import parse_quantity

WIDTH = 110
"""Columns that a line may take."""

_WORD = re.compile(r"[A-Za-z_][\w./+-]*", re.ASCII)
_QUANTITY = re.compile(r"\d+(ns|us|ms|s|min|h|B|[KMGT]i?B)")
_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Words that YAML reads as something else."""


_SIZES = ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "KB", "B")
_TIMES = ("h", "min", "s", "ms", "us", "ns")


def quantity_text(value: int, unit: str) -> str:
    """``value``, which is in ``unit``, as the shortest text with a whole number: ``40min``, ``7GiB``, ``128GB``."""
    texts = []
    for larger in _SIZES if unit in _SIZES else _TIMES:
        with contextlib.suppress(ValueError):
            count, rest = divmod(value, parse_quantity(f"1{larger}", unit))
            if rest == 0:
                texts.append(f"{count}{larger}")
    return min(texts, key=lambda text: len(text.rstrip("BKMGTibhmnsu")))


def lines_of(tree: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """The lines of a mapping; a mapping inside it takes one line where it fits."""
    margin = " " * indent
    for key, value in tree.items():
        name = f"{margin}{scalar(key)}:"
        short = f"{name} {flow(value)}"
        if len(short) <= WIDTH or not value or not isinstance(value, (dict, list)):
            yield short
        elif isinstance(value, dict):
            yield name
            yield from lines_of(value, indent + 2)
        else:
            yield from _broken(name, value)


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A value without parts; text is quoted where YAML would read something else."""
    if isinstance(value, str) and (
        _QUANTITY.fullmatch(value) or (_WORD.fullmatch(value) and value.lower() not in _NO_TEXT)
    ):
        return value
    return json.dumps(value, ensure_ascii=False)


def _broken(name: str, items: Sequence[Any]) -> Iterator[str]:
    """A long list, filled line by line."""
    line = f"{name} ["
    margin = " " * len(line)
    for number, item in enumerate(items):
        text = flow(item) + (", " if number + 1 < len(items) else "]")
        if len(line.rstrip()) + len(text) > WIDTH and line.strip() and not line.endswith("["):
            yield line.rstrip()
            line = margin
        line += text
    yield line
