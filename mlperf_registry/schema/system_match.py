"""What a machine must look like to be recognised as a known system; a rule left out accepts anything.

The shipped rules are NVIDIA's, of the newest round that knows the system. Its number of accelerators is a rule as well.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import attrs

from mlperf_registry.schema.knob import above, at_least, between, knob

_PCI_ID = re.compile(r"[0-9A-F]{4}")


def _four_hex_digits(value: Any) -> str | None:
    wrong = [one for one in value if not _PCI_ID.fullmatch(one)]
    return f"must be four hexadecimal digits in capitals, and {', '.join(wrong)} is not" if wrong else None


def _patterns(value: Any) -> str | None:
    for one in value:
        try:
            re.compile(one)
        except re.error as error:
            return f"must be regular expressions, and {one} is none: {error}"
    return None


def _positive(value: Any) -> str | None:
    return None if all(one > 0 for one in value) else "must be greater than 0"


@attrs.frozen(kw_only=True)
class CpuMatch:
    """The host's processor."""

    vendor: str | None = knob("Vendor as the processor names itself, such as GenuineIntel.", default=None)
    architecture: Literal["x86_64", "aarch64"] | None = knob("Instruction set.", default=None)
    names: tuple[str, ...] = knob("Model names, of which the processor's is one; a pattern serves as well.", default=())
    name_patterns: tuple[str, ...] = knob(
        "Regular expressions, of which one matches the whole model name.", check=_patterns, default=()
    )
    sockets: int | None = knob("Sockets of the machine.", check=at_least(1), default=None)
    cores_per_socket: tuple[int, ...] = knob("Cores of a socket, any of these.", check=_positive, default=())
    threads_per_core: tuple[int, ...] = knob("Threads of a core, any of these.", check=_positive, default=())


@attrs.frozen(kw_only=True)
class AcceleratorMatch:
    """Each of the machine's accelerators; of a MIG system, each slice."""

    gpu: str | None = knob("The model under NVIDIA's name; systems that share it share these rules.", default=None)
    names: tuple[str, ...] = knob(
        "Names that the driver gives it; read only where no PCI id is stated, or none detected.", default=()
    )
    name_patterns: tuple[str, ...] = knob(
        "Regular expressions for the whole name; read as the names are.", check=_patterns, default=()
    )
    pci_ids: tuple[str, ...] = knob(
        "PCI device ids without the vendor's, any of these.", check=_four_hex_digits, default=()
    )
    compute_sm: int | None = knob("Compute capability without its point: 90 is 9.0.", check=at_least(10), default=None)
    vram: tuple[int, ...] = knob("Memory of it, any of these.", unit="B", check=_positive, default=())
    vram_tolerance: float = knob("How far memory may be off.", unit="%", check=between(0, 100), default=5.0)
    power_limit_watts: float | None = knob(
        "Power limit of it; of a MIG slice, of the whole GPU.",
        unit="W",
        unit_in_name=True,
        check=above(0),
        default=None,
    )
    power_limit_tolerance: float = knob(
        "How far the power limit may be off.", unit="%", check=between(0, 100), default=5.0
    )
    integrated: bool = knob("Whether it shares the host's chip and memory, as on Jetson.", default=False)
    mig_profile: str | None = knob("MIG profile, such as 1g.10gb; absent: a whole GPU.", default=None)


@attrs.frozen(kw_only=True)
class SystemMatch:
    """The rules of one system. One that states none is never recognised, only chosen by name."""

    cpu: CpuMatch = knob("The host's processor.", default=CpuMatch())
    host_memory: int | None = knob("Host memory, at least.", unit="B", check=above(0), default=None)
    host_memory_tolerance: float = knob(
        "How far host memory may fall short.", unit="%", check=between(0, 100), default=5.0
    )
    accelerator: AcceleratorMatch = knob("Each of the accelerators.", default=AcceleratorMatch())
    dla_count: int = knob("Deep-learning accelerators beside an integrated GPU.", check=at_least(0), default=0)
