"""compose_cell(): one cell through Hydra itself, with the provenance of every value.

Slow, and the measure of what is right: the matrix must give what this gives.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlperf_registry.compose.composed import Choice, Composed, stack
from mlperf_registry.compose.layers import Layers
from mlperf_registry.compose.library import Library
from mlperf_registry.compose.loaded import load
from mlperf_registry.compose.mistakes import answered, check_overrides
from mlperf_registry.compose.override import parse_override
from mlperf_registry.compose.tree import without_nulls


def compose_cell(
    library: Library, overrides: Sequence[str], chosen: Sequence[Choice] = (), *, layers: Layers | None = None
) -> Composed:
    """Compose one cell through Hydra.

    Args:
        library: where options lie.
        overrides: the user's, as on Hydra's command line, aliases already translated.
        chosen: what was chosen for the user; weaker than ``overrides``.
        layers: layers already made from the same library.

    Raises:
        ConfigError: with every unknown group, option and key, each with the nearest names; or with what Hydra refused.
    """
    asked = check_overrides(library, overrides)
    made = [parse_override(choice.text) for choice in chosen]
    parsed = [*made, *asked]
    with answered(library, parsed):
        loaded = load(library, parsed)
        tree = loaded.resolved()
    layers = layers or Layers(library)
    origins = [*(choice.origin for choice in chosen), *(f"override:{override.text}" for override in asked)]
    values = [
        layers.value(override, origin)
        for override, origin in zip(parsed, origins, strict=True)
        if library.is_value(override)
    ]
    stacked = (*loaded.layers(layers), *values)
    return Composed(without_nulls(tree), loaded.choices, tuple(chosen), stacked, stack(stacked))
