"""The board: its name, and where a Jetson or DRIVE's chip brings GPU and DLAs with it, what is known of those.

Read from the device tree; containers hide that, so the chip's own entry in /sys stands in for it.
"""

from __future__ import annotations

import attrs

from mlperf_registry.detect.host import Host

_TREES = ("/proc/device-tree", "/sys/firmware/devicetree/base")
_CHIP = "/sys/devices/soc0"
_FIRMWARE = "/sys/class/dmi/id"
_NAMELESS = ("to be filled by o.e.m.", "default string", "system manufacturer", "system product name", "none", "")

_COMPUTE_SM = {"tegra186": 62, "tegra194": 72, "tegra234": 87, "tegra264": 110}
"""Compute capability of the integrated GPU, by chip: TX2, Xavier, Orin, Thor."""

_CHIP_IDS = {"24": "tegra186", "25": "tegra194", "35": "tegra234", "38": "tegra264"}
"""Chips by the number that /sys/devices/soc0/soc_id gives."""

_GPU_NAMES = {
    "Orin NX": "Orin NX",
    "Orin Nano": "Orin Nano",
    "AGX Orin": "Jetson AGX Orin",
    "Xavier NX": "Xavier NX",
    "Thor": "NVIDIA Thor",
}
"""Part of a board's model to the name of its GPU, since the driver calls the GPU of every Orin the same."""


@attrs.frozen
class Board:
    """A board."""

    model: str | None = None
    """Name of it; None where neither device tree nor firmware gives one."""
    chip: str | None = None
    """A Tegra with an integrated GPU, such as tegra234; None on any other machine."""
    dla_count: int = 0
    """Deep-learning accelerators that are enabled."""

    @property
    def compute_sm(self) -> int | None:
        """Compute capability of the integrated GPU, without its point; None without one or of an unknown chip."""
        return _COMPUTE_SM.get(self.chip or "")

    @property
    def gpu_name(self) -> str | None:
        """Name of the integrated GPU where the board's model tells it."""
        return next((name for part, name in _GPU_NAMES.items() if self.model and part in self.model), None)


def read_board(host: Host) -> Board:
    """The board of ``host``."""
    for tree in _TREES:
        compatible = _strings(host.text(f"{tree}/compatible"))
        if compatible:
            chip = next((name.removeprefix("nvidia,") for name in compatible if name.startswith("nvidia,tegra")), None)
            model = next(iter(_strings(host.text(f"{tree}/model"))), None)
            return Board(model, chip, _dla_count(host, tree) if chip else 0)
    if (host.text(f"{_CHIP}/family") or "").strip() == "Tegra":
        identity = (host.text(f"{_CHIP}/soc_id") or "").strip()
        machine = (host.text(f"{_CHIP}/machine") or "").strip()
        return Board(machine or None, _CHIP_IDS.get(identity, "tegra"), _dla_count(host, None))
    return Board(_firmware_name(host))


def _dla_count(host: Host, tree: str | None) -> int:
    """Enabled DLAs: nodes of the device tree that are not disabled; without such nodes, the kernel's device files."""
    if tree is not None:
        nodes = [
            f"{bus}/{host1x}/{node}"
            for bus in (tree, f"{tree}/bus@0")
            for host1x in host.names(bus)
            if host1x.startswith("host1x@")
            for node in host.names(f"{bus}/{host1x}")
            if node.startswith("nvdla")
        ]
        if nodes:
            return sum(_strings(host.text(f"{node}/status")) in ((), ("okay",)) for node in nodes)
    return sum(name.startswith("nvhost-ctrl-nvdla") for name in host.names("/dev"))


def _firmware_name(host: Host) -> str | None:
    words = [(host.text(f"{_FIRMWARE}/{name}") or "").strip() for name in ("sys_vendor", "product_name")]
    vendor, product = ("" if word.lower() in _NAMELESS else word for word in words)
    return (product if product.startswith(vendor) else f"{vendor} {product}").strip() or None


def _strings(text: str | None) -> tuple[str, ...]:
    """The strings of a device tree's property, each of which ends with a NUL."""
    return tuple(filter(None, (part.strip() for part in (text or "").split("\0"))))
