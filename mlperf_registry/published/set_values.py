"""What layers set of NVIDIA's fields in a composed cell: leaf by leaf, in canonical units, field defaults left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlperf_registry.compose.fields import Field, cell_fields
from mlperf_registry.compose.tree import plain_paths
from mlperf_registry.published.renames import Renames, Values
from mlperf_registry.schema.quantity import is_quantity_unit, parse_quantity

BEFORE = "mode"
"""Group of the defaults list from which on layers do not count: a mode's durations are not what NVIDIA published."""


def set_values(tree: Mapping[str, Any], renames: Renames) -> Values:
    """NVIDIA's fields that are set in a composed tree.

    A value of a benchmark's only component stands at the field itself, whether or not the component is named.
    """
    benchmark = tree["benchmark"]
    fields = cell_fields(benchmark["family"], tree["backend"]["name"])
    only = tuple(benchmark["components"]) if len(benchmark["components"]) == 1 else None
    values: Values = {}
    for path, value in plain_paths(tree):
        owner = renames.owner(path)
        if owner is None or value == {}:
            continue
        values[owner if path[len(owner) :] == only else path] = canonical(value, fields.get(owner))
    return values


def canonical(value: Any, field: Field | None) -> Any:
    """A value as written, in its canonical unit.

    Raises:
        ValueError: when it is text that is no quantity.
    """
    if isinstance(value, str) and field is not None and field.knob.unit and is_quantity_unit(field.knob.unit):
        return parse_quantity(value, field.knob.unit)
    return value
