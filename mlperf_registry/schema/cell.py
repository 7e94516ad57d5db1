"""The axes of a cell, and every name under which a user may know one of their options.

A cell is (system, benchmark, scenario, accuracy target, power setting, harness): what names one configuration.
"""

from __future__ import annotations

import attrs

AXES = ("system", "benchmark", "scenario", "accuracy_target", "power_setting", "harness")
"""Groups whose choices make up a cell's key, in the order in which they are spoken."""

SCENARIO_NAMES = {
    "offline": "Offline",
    "server": "Server",
    "singlestream": "SingleStream",
    "multistream": "MultiStream",
    "interactive": "Interactive",
}
"""Option on the command line to the name in JSON and folders."""

POWER_NAMES = {"maxp": "MaxP", "maxq": "MaxQ"}
"""Option on the command line to the name in JSON and folders."""

TARGET_NAMES = {"k_95": "0.95", "k_99": "0.99", "k_99_9": "0.999"}
"""Option on the command line to the name in JSON."""

_TARGET_ALIASES = {
    "95": "k_95",
    "0.95": "k_95",
    "99": "k_99",
    "0.99": "k_99",
    "default": "k_99",
    "99.9": "k_99_9",
    "0.999": "k_99_9",
    "high_accuracy": "k_99_9",
}


def canonical_option(axis: str, option: str) -> str:
    """The option that ``option`` means on ``axis``; unknown names come back unchanged.

    Benchmarks' aliases are data of their YAML files and are resolved by ``compose``, not here.
    """
    if axis == "accuracy_target":
        return _TARGET_ALIASES.get(option.lower(), option.lower())
    if axis in ("scenario", "power_setting", "harness", "mode"):
        return option.lower()
    return option


@attrs.frozen(order=True)
class Cell:
    """The key of one configuration, in command-line options."""

    system: str
    benchmark: str
    scenario: str
    accuracy_target: str
    power_setting: str
    harness: str

    def __str__(self) -> str:
        return "/".join(attrs.astuple(self))

    @property
    def options(self) -> dict[str, str]:
        """Axis to option."""
        return {axis: getattr(self, axis) for axis in AXES}
