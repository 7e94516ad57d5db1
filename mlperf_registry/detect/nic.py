"""Physical network cards, those that only speak InfiniBand included."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlperf_registry.detect.host import Host
from mlperf_registry.detect.numa import node_of
from mlperf_registry.schema.machine import Nic, NumaNode

_NET, _INFINIBAND = "/sys/class/net", "/sys/class/infiniband"
_RATE = re.compile(r"(\d+(?:\.\d+)?) Gb/sec")


def read_nics(host: Host, nodes: tuple[NumaNode, ...]) -> tuple[Nic, ...]:
    """The cards, by name: interfaces with a device behind them, and InfiniBand ports without an interface."""
    return tuple(_nics(host, nodes))


def _nics(host: Host, nodes: tuple[NumaNode, ...]) -> Iterator[Nic]:
    seen = set()
    for name in host.names(_NET):
        device = host.link(f"{_NET}/{name}/device")
        if device is None:  # loopback, bridges, virtual interfaces
            continue
        seen.add(_last(device))
        speed = (host.text(f"{_NET}/{name}/speed") or "").strip()
        yield Nic(
            name=name,
            numa_node=node_of(host, f"{_NET}/{name}/device", nodes),
            speed_mbit=int(speed) if speed.isdecimal() and int(speed) > 0 else None,
        )
    for name in host.names(_INFINIBAND):
        device = host.link(f"{_INFINIBAND}/{name}/device")
        if device is None or _last(device) in seen:
            continue
        rate = _RATE.match(host.text(f"{_INFINIBAND}/{name}/ports/1/rate") or "")
        yield Nic(
            name=name,
            numa_node=node_of(host, f"{_INFINIBAND}/{name}/device", nodes),
            speed_mbit=round(float(rate[1]) * 1000) if rate else None,
        )


def _last(link: str) -> str:
    return link.rpartition("/")[2]
