"""The machine under test: its name, and what a configuration depends on."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.description import SubmissionDescription
from mlperf_registry.schema.knob import above, at_least, between, knob
from mlperf_registry.schema.system_match import SystemMatch

Category = Literal["datacenter", "edge", "datacenter,edge"]
Status = Literal["known", "deprecated", "config-only", "submission-only"]


@attrs.frozen(kw_only=True)
class SystemBase:
    """The relative whose tuned values a system takes over where it has none of its own."""

    system: str = knob("Id of the relative; a base names one.")
    rate_factor: float = knob(
        "Factor on its rates: accelerators here over there, MIG slices by their share of a GPU.",
        check=above(0),
        default=1.0,
    )
    size_factor: float = knob(
        "Factor on its batch and buffer sizes: memory of an accelerator here over there, where that is less.",
        check=between(0.001, 1),
        default=1.0,
    )


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
    tags: tuple[str, ...] = knob(
        "Abilities that NVIDIA's code asks for by name; start_from_device_enabled and end_on_device_enabled state a "
        "path between the network and the accelerators' memory, which the rules want for those fields of runtime.",
        default=(),
    )
    base: SystemBase | None = knob("The relative whose tuned values it takes over.", default=None)
    replaces_shipped: bool = knob(
        "Whether a file of the user's stands in place of the shipped system of the same id.", default=False
    )
    match: SystemMatch = knob("What a machine must look like to be recognised as it.", default=SystemMatch())
    submission: SubmissionDescription = knob(
        "What a submission says of it, as far as detection does not know.", default=SubmissionDescription()
    )
