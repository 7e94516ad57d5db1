"""The machine under test: its name, and what a configuration depends on."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import at_least, knob
from mlperf_registry.schema.system_match import SystemMatch

Category = Literal["datacenter", "edge", "datacenter,edge"]
Status = Literal["known", "deprecated", "config-only", "submission-only"]


@attrs.frozen(kw_only=True)
class System:
    """The machine under test, as far as a configuration depends on it."""

    id: str = knob("Name of the system: its option, its folder in results.")
    description: str = knob("One line for lists and reports.", default="")
    devices: tuple[Literal["gpu", "cpu"], ...] = knob("Kinds of device that engines may run on, best first.")
    category: Category | None = knob("Submission category of the system; absent where it is unknown.", default=None)
    accelerator: str | None = knob("Accelerator model, as in its submission description.", default=None)
    accelerator_count: int = knob(
        "Accelerators in the system; of a MIG system, its slices.", check=at_least(0), default=0
    )
    aliases: tuple[str, ...] = knob("Other names under which rounds know the system.", default=())
    rounds: tuple[str, ...] = knob("Rounds that know the system, newest last.", default=())
    status: Status = knob(
        "deprecated: no longer supported by NVIDIA; config-only and submission-only: published without rules to match.",
        default="known",
    )
    same_hardware_as: str | None = knob("Later id of the same machine, which is meant where both match.", default=None)
    tags: tuple[str, ...] = knob("Abilities that NVIDIA's code asks for by name.", default=())
    match: SystemMatch = knob("What a machine must look like to be recognised as it.", default=SystemMatch())
