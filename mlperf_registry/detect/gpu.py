"""The accelerators that CUDA processes may use: whole GPUs, or MIG slices where any GPU is sliced.

Slices are only read; a sentence says which command the administrator would run.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from mlperf_registry.detect.board import Board
from mlperf_registry.detect.host import Host
from mlperf_registry.detect.numa import node_of
from mlperf_registry.detect.nvml import NvmlDevice, NvmlSlice
from mlperf_registry.detect.visible import shown_by_container, shown_by_cuda
from mlperf_registry.schema.machine import Accelerator, NumaNode

_PCI = "/sys/bus/pci/devices"
_NVIDIA = "0x10de"
_DISPLAY = "0x03"
"""Class of GPUs on the PCI bus, by its first byte."""


def read_gpus(
    host: Host, board: Board, memory: int | None, nodes: tuple[NumaNode, ...], notes: list[str]
) -> tuple[Accelerator, ...]:
    """The accelerators, in CUDA's order.

    Args:
        host: the machine.
        board: its board, which may bring an integrated GPU.
        memory: bytes of host memory, which an integrated GPU shares.
        nodes: NUMA nodes.
        notes: gains a sentence for each GPU that is left out, and why nothing was found where nothing was.
    """
    devices = _devices(host, board, notes)
    shown = shown_by_container(devices, host.variable("NVIDIA_VISIBLE_DEVICES"), notes)
    shown = shown_by_cuda(shown, host.variable("CUDA_VISIBLE_DEVICES"), host.variable("CUDA_DEVICE_ORDER"), notes)
    return tuple(_accelerator(host, board, memory, nodes, device, one) for device, one in _usable(shown, notes))


def _devices(host: Host, board: Board, notes: list[str]) -> tuple[NvmlDevice, ...]:
    """All GPUs that the driver shows; on a Jetson whose driver has no NVML, the GPU that its chip is known to have."""
    facts = host.nvml()
    devices = () if isinstance(facts, str) else facts.devices
    if devices and not isinstance(facts, str):
        notes.extend(facts.silent)
        return devices
    if board.chip is not None:
        notes.append(f"The integrated GPU does not answer, so what is known of {board.chip} stands for it.")
        return (NvmlDevice(index=0, name=board.gpu_name or board.model or board.chip, compute_sm=board.compute_sm),)
    present = _on_the_bus(host)
    if present:
        notes.append(f"The PCI bus shows NVIDIA GPUs that cannot be used: {', '.join(present)}.")
    if isinstance(facts, str):
        notes.append(facts)
    else:
        notes.extend(facts.silent or ("NVIDIA's driver is here and shows no GPU.",))
    return ()


def _on_the_bus(host: Host) -> list[str]:
    """PCI addresses of NVIDIA's GPUs, whatever their driver."""
    return [
        name
        for name in host.names(_PCI)
        if (host.text(f"{_PCI}/{name}/vendor") or "").strip() == _NVIDIA
        and (host.text(f"{_PCI}/{name}/class") or "").startswith(_DISPLAY)
    ]


def _usable(devices: tuple[NvmlDevice, ...], notes: list[str]) -> Iterator[tuple[NvmlDevice, NvmlSlice | None]]:
    """NVIDIA's rule: where any GPU has slices, slices are all there is."""
    sliced = any(device.slices for device in devices)
    for device in devices:
        if device.slices:
            for one in device.slices:
                yield device, one
        elif device.mig:
            notes.append(
                f"GPU {device.index} ({device.name}) is left out: it is in MIG mode and has no slice that this process "
                f"sees. The administrator would list profiles with `sudo nvidia-smi mig -i {device.index} -lgip` and "
                f"make a slice with `sudo nvidia-smi mig -i {device.index} -cgi PROFILE -C`, or end MIG mode with "
                f"`sudo nvidia-smi -i {device.index} -mig 0`."
            )
        elif sliced:
            notes.append(
                f"GPU {device.index} ({device.name}) is left out: other GPUs are cut into MIG slices, and a system is "
                "either slices or whole GPUs. CUDA_VISIBLE_DEVICES with the UUIDs of whole GPUs shows those alone."
            )
        else:
            yield device, None


def _accelerator(
    host: Host,
    board: Board,
    memory: int | None,
    nodes: tuple[NumaNode, ...],
    device: NvmlDevice,
    one: NvmlSlice | None,
) -> Accelerator:
    whole = Accelerator(
        index=device.index,
        uuid=device.uuid,
        name=device.name,
        pci_id=device.pci_id,
        pci_address=device.pci_address,
        compute_sm=device.compute_sm,
        vram=device.memory,
        power_limit_watts=device.power_limit_watts,
        nvlinks=device.nvlinks,
        numa_node=node_of(host, device.pci_address and f"{_PCI}/{device.pci_address}", nodes),
    )
    if _is_integrated(host, board, device):
        whole = attrs.evolve(
            whole,
            name=board.gpu_name or device.name.removesuffix(" (nvgpu)"),
            compute_sm=board.compute_sm if device.compute_sm is None else device.compute_sm,
            vram=memory,
            integrated=True,
        )
    if one is None:
        return whole
    return attrs.evolve(whole, uuid=one.uuid, vram=one.memory, mig_profile=one.profile or "unknown")


def _is_integrated(host: Host, board: Board, device: NvmlDevice) -> bool:
    """Whether the GPU is on the host's chip. Such chips are Arm's, and their drivers tell of no memory.

    Of a GPU in MIG mode the driver tells no memory either, to users without the right.
    """
    if host.architecture != "aarch64" or device.mig:
        return False
    return device.memory is None or (board.chip is not None and device.pci_id is None)
