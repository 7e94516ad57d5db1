"""What NVIDIA's driver says of its GPUs, as plain data: the only place that calls NVML.

Each fact is asked for by itself, since an integrated GPU, a virtual one or an old driver answers some only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import attrs

from mlperf_registry.schema.knob import at_least, knob

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class NvmlSlice:
    """One MIG slice."""

    uuid: str | None = knob("UUID of the slice.", default=None)
    profile: str | None = knob("MIG profile, such as 1g.10gb.", default=None)
    memory: int | None = knob("Memory of it.", unit="B", check=at_least(0), default=None)
    gpu_instance: int | None = knob("Number of its GPU instance.", default=None)
    compute_instance: int | None = knob("Number of its compute instance within that.", default=None)


@attrs.frozen(kw_only=True)
class NvmlDevice:
    """One GPU."""

    index: int = knob("Index in the driver's order.")
    uuid: str | None = knob("UUID of it.", default=None)
    name: str = knob("Name of it.")
    pci_id: str | None = knob("PCI device id, four hexadecimal digits in capitals.", default=None)
    pci_address: str | None = knob("PCI address, such as 0000:1b:00.0.", default=None)
    compute_sm: int | None = knob("Compute capability without its point.", default=None)
    memory: int | None = knob(
        "Memory of its own; absent: none, or not said.", unit="B", check=at_least(0), default=None
    )
    power_limit_watts: float | None = knob(
        "Power limit in force.", unit="W", unit_in_name=True, check=at_least(0), default=None
    )
    nvlinks: int = knob("NVLinks that are up.", check=at_least(0), default=0)
    mig: bool = knob("Whether MIG mode is on.", default=False)
    slices: tuple[NvmlSlice, ...] = knob("Its MIG slices.", default=())


@attrs.frozen(kw_only=True)
class NvmlFacts:
    """What NVIDIA's driver says."""

    driver: str | None = knob("Version of the driver.", default=None)
    cuda: str | None = knob("Newest version of CUDA that the driver runs.", default=None)
    devices: tuple[NvmlDevice, ...] = knob("GPUs, in the driver's order.", default=())
    silent: tuple[str, ...] = knob("Of each GPU that does not answer, a sentence.", default=())


def read_nvml() -> NvmlFacts | str:
    """What the driver of this machine says, or the sentence why it says nothing."""
    try:
        import pynvml
    except ImportError:
        return "The driver was not asked for GPUs: install nvidia-ml-py with pip."
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return _absence(pynvml, error)
    try:
        return _facts(pynvml)
    except pynvml.NVMLError as error:
        return f"NVIDIA's driver does not say which GPUs there are: {error}. `nvidia-smi` may tell more."
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _absence(nvml: Any, error: Exception) -> str:
    code = getattr(error, "value", None)
    if code == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return (
            "NVIDIA's driver is not here (no libnvidia-ml.so.1). If this machine has an NVIDIA GPU, install it; in a "
            "container, start it with the GPUs (docker run --gpus all)."
        )
    if code == nvml.NVML_ERROR_DRIVER_NOT_LOADED:
        return (
            "NVIDIA's libraries are here, but its kernel driver is not loaded. On a machine with an NVIDIA GPU, the "
            "administrator would load it (sudo modprobe nvidia) or install it."
        )
    if code == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return (
            "NVIDIA's libraries and its loaded kernel driver are of different versions: reboot, or reload the driver."
        )
    if code == nvml.NVML_ERROR_NO_PERMISSION:
        return "This user may not ask NVIDIA's driver: the administrator must let it read /dev/nvidiactl."
    return f"NVIDIA's driver does not answer: {error}. `nvidia-smi` may tell more."


def _facts(nvml: Any) -> NvmlFacts:
    def ask(question: Callable[..., T], *arguments: Any) -> T | None:
        try:
            return question(*arguments)
        except (nvml.NVMLError, UnicodeDecodeError):
            return None

    devices, silent = [], []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError as error:
            silent.append(f"GPU {index} does not answer and is left out: {error}.")
            continue
        devices.append(_device(nvml, ask, index, handle))
    cuda = ask(nvml.nvmlSystemGetCudaDriverVersion)
    return NvmlFacts(
        driver=ask(nvml.nvmlSystemGetDriverVersion),
        cuda=f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None,
        devices=tuple(devices),
        silent=tuple(silent),
    )


def _device(nvml: Any, ask: Callable[..., Any], index: int, handle: Any) -> NvmlDevice:
    pci = ask(nvml.nvmlDeviceGetPciInfo, handle)
    capability = ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
    memory = ask(nvml.nvmlDeviceGetMemoryInfo, handle)
    milliwatts = ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    if milliwatts is None:
        milliwatts = ask(nvml.nvmlDeviceGetPowerManagementLimit, handle)
    mig = ask(nvml.nvmlDeviceGetMigMode, handle)
    sliced = bool(mig and mig[0])
    return NvmlDevice(
        index=index,
        uuid=ask(nvml.nvmlDeviceGetUUID, handle),
        name=ask(nvml.nvmlDeviceGetName, handle) or "NVIDIA GPU",
        # NVML gives device and vendor in one number, 0x233010DE.
        pci_id=f"{pci.pciDeviceId >> 16:04X}" if pci and pci.pciDeviceId else None,
        pci_address=f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0" if pci and pci.pciDeviceId else None,
        compute_sm=capability[0] * 10 + capability[1] if capability else None,
        memory=int(memory.total) if memory and memory.total else None,
        power_limit_watts=milliwatts / 1000 if milliwatts else None,
        nvlinks=sum(1 for state in _link_states(nvml, handle) if state),
        mig=sliced,
        slices=tuple(_slices(nvml, ask, handle)) if sliced else (),
    )


def _link_states(nvml: Any, handle: Any) -> Iterator[int]:
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        try:
            yield nvml.nvmlDeviceGetNvLinkState(handle, link)
        except nvml.NVMLError:  # a GPU has fewer links than the most that NVML knows, or none
            return


def _slices(nvml: Any, ask: Callable[..., Any], handle: Any) -> Iterator[NvmlSlice]:
    for place in range(ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        found = ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
        if found is None:  # places are handed out with gaps
            continue
        memory = ask(nvml.nvmlDeviceGetMemoryInfo, found)
        yield NvmlSlice(
            uuid=ask(nvml.nvmlDeviceGetUUID, found),
            profile=_profile(ask(nvml.nvmlDeviceGetName, found)),
            memory=int(memory.total) if memory and memory.total else None,
            gpu_instance=ask(nvml.nvmlDeviceGetGpuInstanceId, found),
            compute_instance=ask(nvml.nvmlDeviceGetComputeInstanceId, found),
        )


def _profile(name: str | None) -> str | None:
    """The profile at the end of a slice's name, "NVIDIA A100-SXM4-80GB MIG 1g.10gb".

    It cannot be made of the slice's size: an H200's 1g.18gb has 16 GiB.
    """
    _, marker, profile = (name or "").rpartition("MIG ")
    return profile.strip() or None if marker else None
