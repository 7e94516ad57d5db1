"""Figures as people read them: significant digits, the unit that fits, thousands separated.

One place, so that the terminal, the tables and the axes never disagree about the same figure.
"""

from __future__ import annotations

import json
import math

import attrs

from mlperf_registry.schema.quantity import BYTES, NANOSECONDS

_SIZES = {unit: BYTES[unit] for unit in ("B", "KiB", "MiB", "GiB", "TiB")}
_CLOCK = {unit: NANOSECONDS[unit] for unit in ("ns", "us", "ms", "s")}
_SPELLING = {"us": "µs", "usec": "µs"}


@attrs.frozen
class Figure:
    """A number ready to print, and its unit."""

    number: str
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}".rstrip()


def number(value: float, digits: int = 4) -> str:
    """``value`` to ``digits`` significant digits, its whole part always whole: ``12,346``, ``91.30``, ``0.01234``."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    if exponent < -5:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def precise(value: float) -> str:
    """``value`` to six significant digits without trailing zeros: two that differ by little must not print alike."""
    return number(value) if isinstance(value, int) or not math.isfinite(value) else f"{value:,.6g}"


def duration_unit(ns: float) -> tuple[str, int]:
    """The unit in which ``ns`` reads best, as spelt for people, and its nanoseconds."""
    name = next((unit for unit, size in reversed(_CLOCK.items()) if abs(ns) >= size), "ns")
    return _SPELLING.get(name, name), _CLOCK[name]


def figure(value: float, unit: str, digits: int = 4) -> Figure:
    """``value`` in ``unit``; a time moves to the unit that fits: 1234567 ns is ``1.235 ms``."""
    size = _CLOCK.get("us" if unit == "usec" else unit)
    if size is None:
        return Figure(number(value, digits), unit)
    if not math.isfinite(value):
        return Figure(str(value), unit)
    ns = value * size
    name, divisor = duration_unit(ns)
    if divisor == 1 and ns == int(ns):
        return Figure(number(int(ns)), name)
    return Figure(number(float(ns / divisor), digits), name)


def duration(ns: float, digits: int = 4) -> str:
    """Nanoseconds as a time: ``850.0 µs``, ``1.235 ms``."""
    return str(figure(ns, "ns", digits))


def size(count: int) -> str:
    """Bytes as a size: ``512 B``, ``1.5 MiB``."""
    unit = next((name for name, one in reversed(_SIZES.items()) if count >= one), "B")
    return f"{count} B" if unit == "B" else f"{count / _SIZES[unit]:.3g} {unit}"


def percent(share: float) -> str:
    """A share of 1: ``42.1 %``, ``0.013 %``."""
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f} %"
    return f"{number(share * 100, 3 if share < 0.999 else 4)} %"


def rank(percentile: float) -> str:
    """The name of a percentile: ``p99.9``."""
    return f"p{percentile:.10g}"


def rounder(value: object, unit: str | None) -> str | None:
    """The same time or size in a larger unit, where that is exact: 2400000 ms is ``40 min``; None where it is not."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return None
    unit = "us" if unit == "usec" else unit
    for scale in (NANOSECONDS, _SIZES):
        if unit in scale:
            whole = value * scale[unit]
            best = next(name for name, one in reversed(scale.items()) if whole % one == 0)
            return None if best == unit else f"{whole // scale[best]:,} {_SPELLING.get(best, best)}"
    return None


def spelt(unit: str) -> str:
    """A unit as people write it: µs for us."""
    return _SPELLING.get(unit, unit)


def setting(value: object) -> str:
    """A configured value as YAML's reader would know it; ``unset`` for nothing."""
    if value is None:
        return "unset"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value) if isinstance(value, int) else f"{value:,.12g}"
    if isinstance(value, dict) and value:
        return ", ".join(f"{key}: {setting(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)) and value:
        return ", ".join(setting(each) for each in value)
    return json.dumps(value, default=str, ensure_ascii=False)
