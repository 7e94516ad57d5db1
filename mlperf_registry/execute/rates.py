"""The rates that LoadGen sizes a run by, measured where the configuration leaves them out."""

from __future__ import annotations

from typing import Any

import attrs

from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.problem import ConfigError, Problem

SERVER_SHARE = 0.4
"""Share of the measured Offline rate that an untuned Server run aims at: meant to be met, not to be the best."""
OFFLINE_MARGIN = 1.3
"""A query sized too small ends before the minimum duration and is INVALID; the probe may have met other load."""
SERVER_CAP = 20_000.0
"""Rate in queries/s that our own SUT is held to; an engine that answers at once must not set a rate beyond LoadGen."""
LATENCY_SHARE = 0.5
"""LoadGen makes its queries beforehand by the expected latency, and a run that uses them up is INVALID."""

_FIELD = {
    "Offline": "offline_expected_qps",
    "Server": "server_target_qps",
    "SingleStream": "single_stream_expected_latency_ns",
    "MultiStream": "multi_stream_expected_latency_ns",
}


def missing_rate(settings: LoadGenSettings) -> str | None:
    """The field that must be measured first, None where the configuration gives it."""
    field = _FIELD[settings.scenario]
    return field if getattr(settings, field) is None else None


def refuse_missing_rate(settings: LoadGenSettings) -> None:
    """Check that a submission states its own rate.

    Raises:
        ConfigError: when it does not.
    """
    field = missing_rate(settings)
    if field is not None:
        raise ConfigError(
            [
                Problem(
                    f"loadgen.{field}",
                    "a submission states its own rate, and nothing sets it",
                    hint="run once with mode=explore, which measures it, then set it",
                )
            ]
        )


def with_measured_rate(settings: LoadGenSettings, probe: dict[str, Any]) -> LoadGenSettings:
    """``settings`` with the missing rate filled in from a ``probe`` event."""
    field = missing_rate(settings)
    if field is None:
        return settings
    measured: dict[str, Any] = {
        "offline_expected_qps": round(OFFLINE_MARGIN * probe["samples_per_second"], 3),
        "server_target_qps": round(min(SERVER_SHARE * probe["samples_per_second"], SERVER_CAP), 3),
        "single_stream_expected_latency_ns": int(LATENCY_SHARE * probe["latency_ns"]),
        "multi_stream_expected_latency_ns": int(LATENCY_SHARE * probe["multi_stream_latency_ns"]),
    }
    filled: dict[str, Any] = {field: measured[field]}
    return attrs.evolve(settings, **filled)
