"""only(): the one number format of a model that is one engine."""

from __future__ import annotations

from mlperf_registry.schema.problem import ConfigError, Problem


def only(precision: object) -> str | None:
    """The one value of ``builder.precision``, which is stored per component.

    Raises:
        ConfigError: when components differ.
    """
    named = set(precision.values()) if isinstance(precision, dict) else {precision}
    if len(named) > 1:
        message = f"is {', '.join(sorted(map(str, named)))}, and one model has one"
        raise ConfigError([Problem("builder.precision", message)])
    (wanted,) = named or {None}
    return None if wanted is None else str(wanted)
