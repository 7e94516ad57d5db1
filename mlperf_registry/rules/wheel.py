"""The rule about LoadGen itself: its wheel has one round's seeds built in, and only those releases serve that round.

Pure, like the other rules: who knows the installed version asks.
"""

from __future__ import annotations

from mlperf_registry.rules.round import load_round
from mlperf_registry.schema.plan import Breach


def wheel_breach(round_name: str, installed_version: str) -> Breach | None:
    """The breach of running a round on the installed mlcommons-loadgen, with the install that cures it; or None.

    Raises:
        ConfigError: when there is no round of the name.
    """
    wheels = load_round(round_name).loadgen_wheels
    if installed_version in wheels:
        return None
    if wheels:
        cure = f"whose releases are {', '.join(wheels)}: pip install mlcommons-loadgen=={wheels[0]}"
    else:
        cure = "and no published release was: the round can be explored, not submitted to"
    return Breach(
        rule="loadgen-wheel",
        path="round",
        message=f"mlcommons-loadgen {installed_version} was not made for {round_name}, {cure}",
        reason="LoadGen must be built from a tagged approved revision, unaltered; its seeds are the round's.",
        citation=load_round(round_name).cite("{rules}, LoadGen Operation, and {mlperf_conf}"),
    )
