"""NUMA nodes, and which of them a device hangs on."""

from __future__ import annotations

from mlperf_registry.detect.host import Host
from mlperf_registry.detect.linux_lists import parse_list
from mlperf_registry.detect.memory import meminfo_total
from mlperf_registry.schema.machine import NumaNode

_NODES = "/sys/devices/system/node"


def read_numa(host: Host, notes: list[str]) -> tuple[NumaNode, ...]:
    """The nodes, by index; a GPU's own memory may be one without CPUs, as on GH200. Empty: the kernel does not say."""
    try:
        nodes = tuple(_node(host, index) for index in parse_list(host.text(f"{_NODES}/online") or ""))
    except ValueError:
        nodes = ()
    if not nodes:
        notes.append(f"NUMA nodes are unknown: {_NODES} does not say them.")
    return nodes


def node_of(host: Host, device: str | None, nodes: tuple[NumaNode, ...]) -> int | None:
    """Node of the device whose folder in /sys is ``device``; where nobody says it, the only node with CPUs, or None."""
    text = "" if device is None else (host.text(f"{device}/numa_node") or "").strip()
    if text.isdecimal():  # -1: the firmware says none
        return int(text)
    with_cpus = [node.index for node in nodes if node.cpus]
    return with_cpus[0] if len(with_cpus) == 1 else None


def _node(host: Host, index: int) -> NumaNode:
    return NumaNode(
        index=index,
        cpus=parse_list(host.text(f"{_NODES}/node{index}/cpulist") or ""),
        memory=meminfo_total(host.text(f"{_NODES}/node{index}/meminfo")),
    )
