"""Which GPUs and MIG slices a process may use, by NVIDIA_VISIBLE_DEVICES and CUDA_VISIBLE_DEVICES.

The first speaks to the container runtime, which may have obeyed it already; the second is CUDA's own, in each process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from mlperf_registry.detect.nvml import NvmlDevice, NvmlSlice

_INDEX = re.compile(r"\+?(\d+)")
_OLD_SLICE = re.compile(r"MIG-(GPU-[^/]+)/(\d+)/(\d+)")
_PLACED_SLICE = re.compile(r"(\d+):(\d+)")
_NAMES_A_GPU = re.compile(r"\d+(:\d+)?|(GPU|MIG)-.*")

_Target = tuple[NvmlDevice, "NvmlSlice | None"]
"""A GPU, or one slice of it."""


def shown_by_container(devices: Sequence[NvmlDevice], setting: str | None, notes: list[str]) -> tuple[NvmlDevice, ...]:
    """What NVIDIA_VISIBLE_DEVICES leaves, in the driver's order.

    ``void`` and empty leave everything: they tell the runtime to do nothing, and runtimes that inject devices by CDI
    set ``void`` in the container themselves. So do names that only a runtime understands, of mounts and CDI devices.
    ``notes`` gains a sentence where the setting names what is not here.
    """
    words = [word for word in (part.strip() for part in (setting or "").split(",")) if word]
    if words == ["none"]:
        return ()
    if not words or not all(map(_NAMES_A_GPU.fullmatch, words)):
        return tuple(devices)
    targets = {word: _container_target(word, devices) for word in words}
    if None in targets.values() and len(targets) in (len(devices), sum(len(device.slices) for device in devices)):
        # The runtime has obeyed: the driver shows as many as were asked for, and counts them from 0 again.
        return tuple(devices)
    missing = [word for word, target in targets.items() if target is None]
    if missing:
        notes.append(f"NVIDIA_VISIBLE_DEVICES names {', '.join(missing)}, which this machine does not have.")
    chosen = _gather(target for target in targets.values() if target is not None)
    return tuple(sorted(chosen, key=lambda device: device.index))


def shown_by_cuda(
    devices: Sequence[NvmlDevice], setting: str | None, order: str | None, notes: list[str]
) -> tuple[NvmlDevice, ...]:
    """What CUDA_VISIBLE_DEVICES leaves, in its order, which is CUDA's own numbering.

    The list ends at its first entry that is none, and a list that repeats an entry leaves nothing, as in CUDA.

    Args:
        devices: GPUs, in the driver's order.
        setting: CUDA_VISIBLE_DEVICES; None where it is not set.
        order: CUDA_DEVICE_ORDER.
        notes: gains a sentence for what the setting hides or names in vain.
    """
    by_bus = order == "PCI_BUS_ID"
    if by_bus:
        devices = sorted(devices, key=lambda device: (device.pci_address or "", device.index))
    if setting is None:
        return tuple(devices)
    targets: list[_Target] = []
    by_index = False
    for word in setting.split(","):
        word = word.strip()
        target = _cuda_target(word, devices)
        if target is None:
            if word not in ("", "-1"):
                notes.append(
                    f"CUDA_VISIBLE_DEVICES={setting} names {word}, which is no GPU here: CUDA ends the list before it."
                )
            break
        if target in targets:
            notes.append(f"CUDA_VISIBLE_DEVICES={setting} names {word} twice: CUDA then shows no GPU at all.")
            return ()
        by_index = by_index or _INDEX.fullmatch(word) is not None
        targets.append(target)
    if by_index and not by_bus and len({device.name for device in devices}) > 1:
        notes.append(
            "The GPUs differ, and CUDA numbers the fastest first, so that the numbers in CUDA_VISIBLE_DEVICES may mean "
            "others than the driver's: set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs."
        )
    shown = _gather(targets)
    if len(shown) < len(devices):
        notes.append(f"CUDA_VISIBLE_DEVICES={setting} shows {len(shown)} of {len(devices)} GPUs.")
    return shown


def _container_target(word: str, devices: Sequence[NvmlDevice]) -> _Target | None:
    placed = _PLACED_SLICE.fullmatch(word)
    if placed is None:
        return _cuda_target(word, devices)
    gpu, place = int(placed[1]), int(placed[2])
    if gpu < len(devices) and place < len(devices[gpu].slices):
        return devices[gpu], devices[gpu].slices[place]
    return None


def _cuda_target(word: str, devices: Sequence[NvmlDevice]) -> _Target | None:
    """The GPU or slice that an index, a UUID or the beginning of a single UUID names."""
    index = _INDEX.fullmatch(word)
    if index is not None:
        return (devices[int(index[1])], None) if int(index[1]) < len(devices) else None
    found: list[_Target]
    old = _OLD_SLICE.fullmatch(word)
    if old is not None:
        found = [
            (device, one)
            for device in devices
            for one in device.slices
            if (device.uuid or "").startswith(old[1])
            and (one.gpu_instance, one.compute_instance) == (int(old[2]), int(old[3]))
        ]
    elif word.startswith("GPU-"):
        found = [(device, None) for device in devices if (device.uuid or "").startswith(word)]
    elif word.startswith("MIG-"):
        found = [(device, one) for device in devices for one in device.slices if (one.uuid or "").startswith(word)]
    else:
        return None
    return found[0] if len(found) == 1 else None


def _gather(targets: Iterable[_Target]) -> tuple[NvmlDevice, ...]:
    """Each GPU once, in the order of its first mention, with the slices that were named, or all of them."""
    named: dict[int, tuple[NvmlDevice, list[NvmlSlice | None]]] = {}
    for device, one in targets:
        named.setdefault(device.index, (device, []))[1].append(one)
    return tuple(
        device if None in slices else attrs.evolve(device, slices=tuple(one for one in slices if one is not None))
        for device, slices in named.values()
    )
