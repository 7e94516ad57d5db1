"""Derivation: how values tuned for one system become those of another that has none: scaled, capped or left out.

What becomes of a field the schema says, ``knob(scales=...)``; what became of a value, its origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import attrs

from mlperf_registry.compose.document import Document
from mlperf_registry.compose.fields import Field
from mlperf_registry.compose.tree import Leaf, Path, Tree, find
from mlperf_registry.schema.quantity import BYTES, is_quantity_unit, parse_quantity

if TYPE_CHECKING:
    from fractions import Fraction

_LANES = 8
"""Batches of 16 and more stay multiples of this, as tuned ones are: tensor cores take their operands so."""


@attrs.frozen(eq=False)
class Derivation:
    """What one system takes over from another, its base."""

    base: str
    heir: str
    rate_factor: float
    size_factor: float
    accelerators: int
    """Of the heir; 0 where it has none, or does not say: then nothing is capped."""
    dlas: int
    """Of the heir; without any, nothing is said of them."""
    stated: Tree
    """What the heir's own files say; it stays."""

    @property
    def text(self) -> str:
        """As a phrase: ``L4x1's values for my_box, rates x4``."""
        factors = (("rates", self.rate_factor), ("sizes", self.size_factor))
        scaled = "".join(f", {name} x{factor:g}" for name, factor in factors if factor != 1)
        return f"{self.base}'s values for {self.heir}{scaled}"

    def of(self, tree: Tree, fields: Mapping[Path, Field]) -> Tree:
        """A tree of leaves of the base as one of the heir.

        Args:
            tree: what a tuned file of the base says.
            fields: every field that may be in it, by path.
        """
        return self._branch(tree, fields, (), {})

    def _branch(
        self, tree: Tree, fields: Mapping[Path, Field], above: Path, named: dict[tuple[int, str], Document]
    ) -> Tree:
        made: Tree = {}
        for key, node in tree.items():
            path = (*above, key)
            if type(node) is dict:
                branch = self._branch(node, fields, path, named)
                if branch or not node:  # one that lost all must not stand where a null would
                    made[key] = branch
                continue
            field = _field_of(path, fields)
            if find(self.stated, path) is not None or (field is not None and self._leaves_out(field)):
                continue
            value, how = self._value(node, field)
            known = (id(node.document), how)
            if known not in named:
                done = f", {how}" if how else ""
                named[known] = node.document.named(f"of {self.base}{done}, for {self.heir}: {node.origin}")
            made[key] = Leaf(value, named[known], node.path)
        return made

    def _leaves_out(self, field: Field) -> bool:
        return field.knob.scales == "never" or (field.knob.scales == "dla" and not self.dlas)

    def _value(self, leaf: Leaf, field: Field | None) -> tuple[Any, str]:
        """The heir's value, and what was done to the base's; a value of the wrong type is left to the structurer."""
        scales = None if field is None else field.knob.scales
        if field is None or scales in (None, "dla"):
            return leaf.value, ""
        if scales == "count":
            capped = _capped(leaf.value, self.accelerators)
            return capped, "" if capped == leaf.value else f"at most {self.accelerators}"
        factor = self.rate_factor if scales == "rate" else self.size_factor
        scaled = None
        if factor != 1:
            scaled = (
                _rate(leaf.value, factor, field) if scales == "rate" else _size(leaf.value, factor, field.knob.unit)
            )
        return (leaf.value, "") if scaled is None else (scaled, f"x{factor:g}")


def _field_of(path: Path, fields: Mapping[Path, Field]) -> Field | None:
    """The field at ``path``, or the one with a value per component that it lies in."""
    return next((fields[path[:end]] for end in range(len(path), 0, -1) if path[:end] in fields), None)


def _rate(value: Any, factor: float, field: Field) -> Any:
    """To four significant digits; whole where the field is."""
    if type(value) not in (int, float):
        return None
    if float not in (field.type, *get_args(field.type)):
        return max(1, int(value * _exact(factor)))
    scaled = float(f"{value * factor:.4g}")
    return int(scaled) if type(value) is int and scaled.is_integer() else scaled


def _size(value: Any, factor: float, unit: str | None) -> Any:
    """Rounded down, so that what fitted still does; a share is no whole number and keeps four digits."""
    if type(value) is int:
        scaled = max(1, int(value * _exact(factor)))
        return scaled if scaled < 2 * _LANES else scaled - scaled % _LANES
    if type(value) is float:
        return float(f"{value * factor:.4g}")
    if type(value) is list and all(type(item) is int for item in value):
        return list(dict.fromkeys(_size(item, factor, None) for item in value))
    if type(value) is str and unit is not None and is_quantity_unit(unit):
        return _memory(value, factor, unit)
    return None


def _memory(text: str, factor: float, unit: str) -> str | None:
    try:
        bytes_ = int(parse_quantity(text, unit) * BYTES[unit] * _exact(factor))
    except (ValueError, KeyError):
        return None
    whole = bytes_ // BYTES["MiB"]
    return f"{whole}MiB" if whole else f"{max(1, bytes_)}B"


def _capped(value: Any, accelerators: int) -> Any:
    """The largest divisor of a degree of parallelism that there are accelerators for: heads and layers divide by it."""
    if type(value) is not int or not 0 < accelerators < value:
        return value
    return next(degree for degree in range(accelerators, 0, -1) if value % degree == 0)


def _exact(factor: float) -> Fraction:
    """The factor as it is written: a third of a batch of 3 is 1, whatever floating point makes of it."""
    from fractions import Fraction  # here, since most systems take no values over

    return Fraction(str(factor))
