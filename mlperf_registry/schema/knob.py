"""knob(): the one way to declare a field of the schema, with its doc, unit and range.

Help texts, the reference page, `explain`, shell completion and the structurer all read what is said here once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import attrs

Check = Callable[[Any], "str | None"]
"""Takes a value of the right type; returns what is wrong with it as the end of a sentence ("must be ..."), or None."""

Scales = Literal["rate", "size", "count", "dla", "never"]
"""What becomes of a value that a system takes over from its base: ``rate`` is multiplied as accelerators are, ``size``
shrinks as their memory does, ``count`` goes no further than there are accelerators, ``dla`` is left out where
there is no DLA, ``never`` always, since it speaks of one machine. What scales in no way is taken over as it is."""

_KEY = "knob"


@attrs.frozen
class Applies:
    """Where a field has an effect. An empty axis means everywhere."""

    benchmarks: tuple[str, ...] = ()
    """Families, or ids of benchmarks."""
    scenarios: tuple[str, ...] = ()
    """Options on the command line."""
    harnesses: tuple[str, ...] = ()
    """Options on the command line."""
    backends: tuple[str, ...] = ()
    """Names of engine libraries."""


EVERYWHERE = Applies()


@attrs.frozen
class Knob:
    """What is known of a field besides its type and default."""

    doc: str
    unit: str | None
    """Canonical unit of the value, as JSON gives it: ns, usec, ms, B, samples, samples/s, %, W, ..."""
    check: Check | None
    unit_in_name: bool
    """Whether a bare number is unambiguous because the name carries the unit."""
    applies: Applies
    """Where it has an effect; set elsewhere, it is refused."""
    one_for_all: bool
    """Whether a bare value of a ``PerComponent`` stands for every component, also where there are several."""
    scales: Scales | None = None
    """What becomes of it where another system takes it over; None: it is taken over as it is."""


def knob(
    doc: str,
    *,
    unit: str | None = None,
    check: Check | None = None,
    unit_in_name: bool = False,
    applies: Applies = EVERYWHERE,
    one_for_all: bool = False,
    scales: Scales | None = None,
    default: Any = attrs.NOTHING,
) -> Any:
    """A field. Without ``default`` it is required; ``default=None`` goes with an optional type.

    Args:
        doc: one sentence, our own words.
        unit: canonical unit. A duration or memory unit (ns, us, ms, s, B, ...) lets YAML say ``40min`` or ``16GiB``.
        check: range or form; run on each value of a ``PerComponent``.
        unit_in_name: a bare number is accepted as well (``deque_timeout_usec``).
        applies: the benchmarks, scenarios, harnesses and engine libraries that read it.
        one_for_all: a bare value of a ``PerComponent`` stands for every component.
        scales: what becomes of it where a system takes it over from its base.
        default: the weakest value of all.
    """
    made = Knob(doc, unit, check, unit_in_name, applies, one_for_all, scales)
    return attrs.field(default=default, metadata={_KEY: made})


def knob_of(field: attrs.Attribute[Any]) -> Knob:
    """The Knob of a field made by ``knob``."""
    found: Knob = field.metadata[_KEY]
    return found


@attrs.frozen
class Range:
    """A Check that can also say what it lets through, for the reference page."""

    words: str
    """What a value must be."""
    holds: Callable[[Any], bool]

    def __call__(self, value: Any) -> str | None:
        return None if self.holds(value) else f"must be {self.words}"


def at_least(low: float) -> Range:
    """Values of ``low`` and more."""
    return Range(f"{_shown(low)} or more", lambda value: bool(value >= low))


def above(low: float, up_to: float | None = None) -> Range:
    """Values strictly greater than ``low``, and no greater than ``up_to``."""
    if up_to is None:
        return Range(f"greater than {_shown(low)}", lambda value: bool(value > low))
    return Range(f"greater than {_shown(low)}, up to {_shown(up_to)}", lambda value: bool(low < value <= up_to))


def between(low: float, high: float) -> Range:
    """Values from ``low`` to ``high``, both included."""
    return Range(f"from {_shown(low)} to {_shown(high)}", lambda value: bool(low <= value <= high))


def _shown(number: float) -> str:
    # Whole numbers exactly: 2**64 - 1 rounded is not itself allowed.
    return str(number) if isinstance(number, int) else f"{number:g}"


def matches(pattern: str, example: str) -> Range:
    """Text of one form, which ``example`` shows."""
    form = re.compile(pattern)
    return Range(f"text such as {example!r}", lambda value: form.fullmatch(value) is not None)


not_empty = Range("a list of one or more", bool)
"""Lists with one item or more."""
