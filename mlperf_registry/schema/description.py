"""What a submission says of its system: the keys of MLCommons' ``systems/<name>.json``, in the checker's order.

All are optional here, since detection and the system itself know many; `mlperf systems describe` names what is missing.
"""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import above, at_least, knob


@attrs.frozen(kw_only=True)
class SubmissionDescription:
    """A submitter's own words, which go before what is detected. Empty text counts only where MLCommons accepts it."""

    division: Literal["closed", "open", "network"] | None = knob(
        "Division it is submitted to; absent: closed.", default=None
    )
    submitter: str | None = knob("Organisation that submits, as its folder is named.", default=None)
    status: Literal["available", "preview", "rdi"] | None = knob(
        "Availability: on sale now, on sale soon (preview), or for research, development and internal use (rdi).",
        default=None,
    )
    system_name: str | None = knob(
        "Name for the table of results; absent: made of board and accelerators.", default=None
    )
    number_of_nodes: int | None = knob("Hosts that form the system; absent: 1.", check=at_least(1), default=None)
    host_processor_model_name: str | None = knob("Model of the host's processor; detected.", default=None)
    host_processors_per_node: int | None = knob(
        "Processors (filled sockets) of a host; detected.", check=at_least(1), default=None
    )
    host_processor_core_count: int | None = knob(
        "Physical cores of one processor; detected.", check=at_least(1), default=None
    )
    host_memory_capacity: str | None = knob("Memory of a host, such as 2 TB; detected.", default=None)
    host_storage_capacity: str | None = knob("Storage of a host, such as 2 TB SSD, 5 TB CIFS.", default=None)
    host_storage_type: str | None = knob("Kind of that storage, such as NVMe SSD.", default=None)
    accelerators_per_node: int | None = knob(
        "Accelerators of a host; absent: the system's, over its hosts.", check=at_least(0), default=None
    )
    accelerator_model_name: str | None = knob("Model of the accelerators; absent: system.accelerator.", default=None)
    accelerator_memory_capacity: str | None = knob(
        "Memory of one accelerator, such as 80 GB, or Shared with host; detected.", default=None
    )
    framework: str | None = knob(
        "Engine library and platform with versions, such as TensorRT 10.11, CUDA 12.9; detected.", default=None
    )
    operating_system: str | None = knob("Operating system with version; detected.", default=None)
    system_type: Literal["datacenter", "edge", "datacenter,edge", "edge,datacenter"] | None = knob(
        "Category or categories it is submitted in; absent: system.category.", default=None
    )
    other_software_stack: str | None = knob(
        "All software that matters, with versions: libraries, platform, driver; detected.", default=None
    )
    host_processor_frequency: str | None = knob("Clock of the host's processor; may be empty.", default=None)
    host_processor_caches: str | None = knob("Caches of the host's processor; may be empty.", default=None)
    host_memory_configuration: str | None = knob(
        "Modules of the host's memory, such as 32x 64GB HMCG94AGBRA179N.", default=None
    )
    host_processor_interconnect: str | None = knob("Link between a host's processors; may be empty.", default=None)
    host_networking: str | None = knob(
        "Kind of network; detected. A datacenter submission adds bandwidths: PCIe to NICs, and on to the GPUs.",
        default=None,
    )
    host_networking_topology: str | None = knob(
        "How hosts are linked, such as Ethernet/Infiniband on switching network.", default=None
    )
    accelerator_frequency: str | None = knob("Clock of the accelerators; may be empty.", default=None)
    accelerator_host_interconnect: str | None = knob(
        "Link between host and accelerator, such as PCIe Gen5 x16 and NVLink-C2C.", default=None
    )
    accelerator_interconnect: str | None = knob(
        "Link between accelerators, such as 18x 4th Gen NVLink, 900GB/s, or N/A; detected.", default=None
    )
    accelerator_interconnect_topology: str | None = knob("How that link joins them; may be empty.", default=None)
    accelerator_memory_configuration: str | None = knob(
        "Kind of an accelerator's memory, such as HBM3e; detected where the model's name says it.", default=None
    )
    accelerator_on_chip_memories: str | None = knob(
        "Memories on the accelerator's chip (accelerator_on-chip_memories); may be empty.", default=None
    )
    cooling: str | None = knob("How it is cooled, such as Air-cooled.", default=None)
    hw_notes: str | None = knob("Remarks on the hardware; absent: the accelerators' power limit.", default=None)
    sw_notes: str | None = knob("Remarks on the software; may be empty.", default=None)
    host_network_card_count: str | None = knob(
        "Network cards of a host with count and kind, such as 10x 400Gbe Infiniband; detected.", default=None
    )
    system_type_detail: str | None = knob("More on the category; absent: N/A.", default=None)

    power_management: str | None = knob("Power management in force; with power results.", default=None)
    filesystem: str | None = knob("File system; with power results.", default=None)
    boot_firmware_version: str | None = knob("Version of the boot firmware; with power results.", default=None)
    management_firmware_version: str | None = knob(
        "Version of the management controller's firmware; with power results.", default=None
    )
    other_hardware: str | None = knob("Other hardware that draws power; with power results.", default=None)
    number_of_type_nics_installed: str | None = knob(
        "Network cards installed, number and type; with power results.", default=None
    )
    nics_enabled_firmware: int | None = knob(
        "Network cards enabled in firmware; with power results.", check=at_least(0), default=None
    )
    nics_enabled_os: int | None = knob(
        "Network cards enabled in the operating system; with power results.", check=at_least(0), default=None
    )
    nics_enabled_connected: int | None = knob(
        "Network cards connected; with power results.", check=at_least(0), default=None
    )
    network_speed_mbit: int | None = knob(
        "Speed of the network; with power results.", unit="Mbit/s", unit_in_name=True, check=above(0), default=None
    )
    power_supply_quantity_and_rating_watts: str | None = knob(
        "Power supplies, number and rating, such as 6x 3300W; with power results.", default=None
    )
    power_supply_details: str | None = knob("Make and model of the power supplies; with power results.", default=None)
    disk_drives: str | None = knob("Disk drives; with power results.", default=None)
    disk_controllers: str | None = knob("Disk controllers, such as NVMe; with power results.", default=None)
    system_power_only: str | None = knob("What of the system the meter saw; with power results.", default=None)
    system_power_capacity: float | None = knob(
        "Design power of the system; with power results, in place of <name>_power.yaml.",
        unit="W",
        check=above(0),
        default=None,
    )

    is_network: bool | None = knob(
        "Whether queries reach it over a network from another machine; the network division's.", default=None
    )
    network_type: str | None = knob("Type of that network, such as Ethernet.", default=None)
    network_media: str | None = knob("Medium of that network, such as copper.", default=None)
    network_rate: str | None = knob("Rate of that network, such as 100Gb/s.", default=None)
    nic_loadgen: str | None = knob("Network card of the LoadGen machine.", default=None)
    number_nic_loadgen: int | None = knob("Network cards of the LoadGen machine.", check=at_least(1), default=None)
    net_software_stack_loadgen: str | None = knob("Network software of the LoadGen machine.", default=None)
    network_protocol: str | None = knob("Protocol between the two, such as gRPC.", default=None)
    number_connections: int | None = knob("Connections between the two.", check=at_least(1), default=None)
    nic_sut: str | None = knob("Network card of the system.", default=None)
    number_nic_sut: int | None = knob(
        "Network cards of the system that queries arrive on.", check=at_least(1), default=None
    )
    net_software_stack_sut: str | None = knob("Network software of the system.", default=None)
    network_topology: str | None = knob("How the two machines are linked.", default=None)
