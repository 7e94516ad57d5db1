"""Recorded machines, and hosts made of a few facts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlperf_registry.detect.nvml import NvmlDevice, NvmlFacts, NvmlSlice
from mlperf_registry.detect.recording import RecordedHost, Recording
from mlperf_registry.structure import structure


@pytest.fixture(scope="session")
def machines(checkout: Path) -> Path:
    """The folder of recorded machines."""
    return checkout / "tests/data/machines"


@pytest.fixture(scope="session")
def make_host() -> Callable[..., RecordedHost]:
    """Makes a host of the parts of a recording."""

    def make(**parts: Any) -> RecordedHost:
        return RecordedHost(structure(Recording, {"architecture": "x86_64", **parts}, canonical=True))

    return make


@pytest.fixture(scope="session")
def make_gpus() -> Callable[..., tuple[NvmlDevice, ...]]:
    """Makes GPUs, one for each number of slices; None: MIG mode is off."""

    def make(*slices: int | None) -> tuple[NvmlDevice, ...]:
        return tuple(
            NvmlDevice(
                index=index,
                uuid=f"GPU-{index}aaa-{index}",
                name="NVIDIA A100-SXM4-80GB",
                pci_id="20B2",
                pci_address=f"0000:{index:02x}:00.0",
                compute_sm=80,
                memory=80 * 2**30,
                power_limit_watts=400.0,
                mig=count is not None,
                slices=tuple(
                    NvmlSlice(
                        uuid=f"MIG-{index}{place}bb-5",
                        profile="1g.10gb",
                        memory=9728 * 2**20,
                        gpu_instance=7 + place,
                        compute_instance=0,
                    )
                    for place in range(count or 0)
                ),
            )
            for index, count in enumerate(slices)
        )

    return make


@pytest.fixture(scope="session")
def gpu_host(make_host: Callable[..., RecordedHost]) -> Callable[..., RecordedHost]:
    """Makes a host whose driver shows these GPUs."""

    class GpuHost(RecordedHost):
        def __init__(self, recorded: RecordedHost, devices: tuple[NvmlDevice, ...], silent: tuple[str, ...]) -> None:
            super().__init__(recorded._recording)
            self._facts = NvmlFacts(driver="550.54", cuda="12.4", devices=devices, silent=silent)

        def nvml(self) -> NvmlFacts:
            return self._facts

    def make(devices: tuple[NvmlDevice, ...], *, silent: tuple[str, ...] = (), **parts: Any) -> RecordedHost:
        return GpuHost(make_host(**parts), devices, silent)

    return make
