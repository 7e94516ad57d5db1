"""The host's processors: /proc/cpuinfo for what they are, /sys for how many sockets, cores and threads.

The topology is walked by one file a socket, since /proc/cpuinfo says nothing of it on Arm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from mlperf_registry.detect.host import Host
from mlperf_registry.detect.linux_lists import parse_list
from mlperf_registry.schema.machine import Cpu
from mlperf_registry.schema.numa_string import ranges

CPUINFO = "/proc/cpuinfo"
"""What the kernel says of each logical CPU."""
_CPUS = "/sys/devices/system/cpu"

_ARM_VENDORS = {
    "0x41": "ARM",
    "0x42": "Broadcom",
    "0x43": "Cavium",
    "0x46": "FUJITSU",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x51": "Qualcomm",
    "0x61": "Apple",
    "0x6d": "Microsoft",
    "0xc0": "Ampere",
}
"""CPU implementers, by the number that the core's identification register gives."""

_ARM_CORES = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x41", "0xd83"): "Neoverse-V3AE",
    ("0x41", "0xd84"): "Neoverse-V3",
    ("0x41", "0xd85"): "Cortex-X925",
    ("0x41", "0xd87"): "Cortex-A725",
    ("0x41", "0xd8e"): "Neoverse-N3",
    ("0x4e", "0x003"): "NVIDIA Denver 2",
    ("0x4e", "0x004"): "NVIDIA Carmel (ARMv8.2)",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1a",
}
"""Cores of hosts that hold NVIDIA's accelerators, by implementer and part."""

_READ = (
    "vendor_id",
    "model name",
    "physical id",
    "siblings",
    "cpu cores",
    "CPU implementer",
    "CPU part",
)


@attrs.frozen
class _Topology:
    sockets: int
    cores_per_socket: int
    threads_per_core: int


def read_cpu(host: Host, *, one_chip: bool, notes: list[str]) -> Cpu:
    """The processors.

    Args:
        host: the machine.
        one_chip: it is a system on a chip, whose kernel may show each cluster of cores as a socket.
        notes: gains a sentence for each thing that could not be read, or that limits this process.
    """
    blocks = _blocks(host.text(CPUINFO) or "")
    online = _cpu_list(host, f"{_CPUS}/online")
    topology = _from_sysfs(host, online, one_chip) or _from_cpuinfo(blocks)
    if topology is None:
        notes.append("Sockets and cores are unknown: neither /sys/devices/system/cpu nor /proc/cpuinfo says them.")
    model = cpu_model(host)
    if model is None:
        notes.append("The processor's model is unknown: /proc/cpuinfo does not say it.")
    _note_limits(host, online, notes)
    return Cpu(
        vendor=_vendor(blocks),
        model=model,
        architecture=host.architecture,
        sockets=None if topology is None else topology.sockets,
        cores_per_socket=None if topology is None else topology.cores_per_socket,
        threads_per_core=None if topology is None else topology.threads_per_core,
    )


def cpu_model(host: Host) -> str | None:
    """The processor's model name; of Arm cores, the core's, such as Neoverse-V2. None where nothing says it.

    Chips with two kinds of cores have both named, "Cortex-X925 + Cortex-A725".
    """
    blocks = _blocks(host.text(CPUINFO) or "")
    # An Arm kernel's "model name" is "ARMv8 Processor rev 1 (v8l)", which names no processor.
    cores = dict.fromkeys(core for core in map(_arm_core, blocks) if core is not None)
    if cores:
        return " + ".join(cores)
    return next((block["model name"] for block in blocks if block.get("model name")), None)


def condensed(cpuinfo: str) -> str:
    """/proc/cpuinfo without what detection does not read, and each processor that says nothing new left out."""
    kept = dict.fromkeys(
        "".join(f"{key}\t: {block[key]}\n" for key in _READ if key in block) for block in _blocks(cpuinfo)
    )
    return "\n".join(block for block in kept if block)


def _blocks(cpuinfo: str) -> tuple[Mapping[str, str], ...]:
    """One mapping a processor."""
    found = []
    for text in cpuinfo.split("\n\n"):
        pairs = (line.partition(":") for line in text.splitlines())
        block = {key.strip(): value.strip() for key, _, value in pairs}
        if block:
            found.append(block)
    return tuple(found)


def _arm_core(block: Mapping[str, str]) -> str | None:
    return _ARM_CORES.get((block.get("CPU implementer", ""), block.get("CPU part", "")))


def _vendor(blocks: tuple[Mapping[str, str], ...]) -> str | None:
    for block in blocks:
        if block.get("vendor_id"):
            return block["vendor_id"]
        if "CPU implementer" in block:
            return _ARM_VENDORS.get(block["CPU implementer"])
    return None


def _from_sysfs(host: Host, online: tuple[int, ...], one_chip: bool) -> _Topology | None:
    """Sockets counted, cores and threads of the first one, since all are alike."""
    sockets = ((online,) if online else ()) if one_chip else tuple(_sockets(host, online))
    if not sockets:
        return None
    threads = _cpu_list(host, f"{_CPUS}/cpu{sockets[0][0]}/topology/thread_siblings_list")
    threads_per_core = len(threads) or 1
    return _Topology(len(sockets), max(1, len(sockets[0]) // threads_per_core), threads_per_core)


def _sockets(host: Host, online: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Logical CPUs of each socket, those only that are online."""
    left = set(online)
    while left:
        first = min(left)
        siblings = _cpu_list(host, f"{_CPUS}/cpu{first}/topology/core_siblings_list")
        if first not in siblings:
            return
        yield siblings
        left.difference_update(siblings)


def _from_cpuinfo(blocks: tuple[Mapping[str, str], ...]) -> _Topology | None:
    try:
        cores, siblings = int(blocks[0]["cpu cores"]), int(blocks[0]["siblings"])
        return _Topology(len({block["physical id"] for block in blocks}), cores, siblings // cores)
    except (IndexError, KeyError, ValueError, ZeroDivisionError):
        return None


def _cpu_list(host: Host, path: str) -> tuple[int, ...]:
    try:
        return parse_list(host.text(path) or "")
    except ValueError:
        return ()


def _note_limits(host: Host, online: tuple[int, ...], notes: list[str]) -> None:
    usable = host.affinity
    if usable is not None and online and set(online) - set(usable):
        notes.append(
            f"This process may use {len(usable)} of the machine's {len(online)} logical CPUs ({ranges(usable)}): "
            "a container, a job scheduler or taskset limits it."
        )
    quota = _quota(host)
    if quota is not None and quota < len(usable or online):
        notes.append(f"A control group lets this process use {quota:g} CPUs' time at most (docker run --cpus).")


def _quota(host: Host) -> float | None:
    """CPUs' worth of time that the control group grants; None: all."""
    words = (host.text("/sys/fs/cgroup/cpu.max") or "").split()
    if len(words) != 2:
        words = [(host.text(f"/sys/fs/cgroup/cpu/cpu.cfs_{what}_us") or "").strip() for what in ("quota", "period")]
    try:
        quota, period = map(int, words)
    except ValueError:  # "max", or no such control group
        return None
    return quota / period if quota > 0 and period > 0 else None
