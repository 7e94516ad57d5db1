"""The shipped systems: every file is sound, no two claim one name, and their rules are the published numbers."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from mlperf_registry import Registry
from mlperf_registry.compose.document import load_yaml
from mlperf_registry.schema.sections import System
from mlperf_registry.schema.system_match import SystemMatch
from mlperf_registry.structure import structure
from mlperf_registry.systems.derive import base_of
from mlperf_registry.systems.relative import Kind, nearest_first

FILES = sorted((Path(__file__).resolve().parents[2] / "conf" / "system").glob("*.yaml"))
SYSTEMS = {file.stem: structure(System, load_yaml(file).tree["system"]) for file in FILES}
KNOWN = [system for system in SYSTEMS.values() if system.id != "generic_cpu"]
GIB = 2**30

# NVIDIA's name, MIG profile: PCI ids, SM, GiB of memory, power limit in W and its tolerance in %.
ACCELERATORS = {
    ("A100_PCIe_40GB", None): ("20F1 20BF", 80, (40,), 250, 0),
    ("A100_PCIe_40GB", "1g.5gb"): ("20F1 20BF", 80, (5,), 250, 0),
    ("A100_PCIe_80GB", None): ("20B5", 80, (80,), 300, 0),
    ("A100_PCIe_80GB", "1g.10gb"): ("20B5", 80, (10,), 300, 0),
    ("A100_SXM4_40GB", None): ("20B0", 80, (40,), 400, 0),
    ("A100_SXM4_40GB", "1g.5gb"): ("20B0", 80, (5,), 400, 0),
    ("A100_SXM_80GB", None): ("20B2", 80, (80,), 400, 0),
    ("A100_SXM_80GB", "1g.10gb"): ("20B2", 80, (10,), 400, 0),
    ("A100_SXM_80GB_RO", None): ("20B2", 80, (80,), 275, 0),
    ("A100_SXM_80GB_RO", "1g.10gb"): ("20B2", 80, (10,), 275, 0),
    ("A10", None): ("2236", 86, (24,), 150, 0),
    ("A2", None): ("25B6", 86, (15,), 60, 0),
    ("A30", None): ("20B7", 80, (24,), 165, 0),
    ("A30", "1g.3gb"): ("20B7", 80, (3,), 165, 0),
    ("A30", "1g.6gb"): ("20B7", 80, (6,), 165, 0),
    ("AGX_Xavier", None): ("", 72, (), None, 5),
    ("B200_SXM_180GB", None): ("2901", 100, (180,), 1000, 5),
    ("DRIVE_A100_PCIE", None): ("20BB", 80, (32,), None, 5),
    ("GB200_GraceBlackwell_186GB", None): ("2941", 100, (186,), 1200, 5),
    ("GB300", None): ("", 103, (288,), None, 5),
    ("GH200_GraceHopper_96GB", None): ("2342", 90, (96,), 900, 5),
    ("GH200_GraceHopper_144GB", None): ("2348", 90, (144,), 900, 5),
    ("GeForceRTX_3080", None): ("2206", 86, (10,), 320, 0),
    ("GeForceRTX_3090", None): ("2204 2230", 86, (24,), 350, 0),
    ("H100_NVL", None): ("2321", 90, (94,), 400, 5),
    ("H100_PCIe_80GB", None): ("2331", 90, (80,), 350, 5),
    ("H100_SXM_80GB", None): ("2330 233F", 90, (80,), 700, 5),
    ("H100_SXM_80GB_02", None): ("", 90, (80,), None, 5),
    ("H100_SXM_80GB_preview", None): ("", 90, (80,), None, 5),
    ("H200_SXM_141GB", None): ("2335", 90, (141,), 700, 5),
    ("H200_SXM_141GB_CTS", None): ("2335", 90, (141,), 1000, 5),
    ("Inferentia_INF1_XLARGE", None): ("", None, (), None, 5),
    ("Inferentia_INF1_2XLARGE", None): ("", None, (), None, 5),
    ("Inferentia_INF1_6XLARGE", None): ("", None, (), None, 5),
    ("Inferentia_INF1_24XLARGE", None): ("", None, (), None, 5),
    ("L4", None): ("27B8", 89, (23,), 72, 0),
    ("L40", None): ("26B5", 89, (45,), 300, 0),
    ("L40S", None): ("26B9", 89, (45,), 350, 0),
    ("Orin", None): ("", 87, (64,), None, 5),
    ("Orin_NX", None): ("", 87, (16,), None, 5),
    ("Thor", None): ("", 110, (128,), None, 5),
    ("T4", None): ("1EB8 1EB9", 75, (16, 32), 70, 0),
    ("TitanRTX", None): ("1E02 1E30 1E36", 75, (24,), 280, 5),
    ("Xavier_NX", None): ("", 72, (), None, 5),
}

# Accelerators, GiB of host memory, vendor of the CPU, its architecture, cores of a socket, DLAs.
HOSTS = {
    "A100-PCIe-80GB-MIG_56x1g.10gb": (56, 931.323, None, "x86_64", (64, 32), 0),
    "A100-PCIe_aarch64x4": (4, 30, None, "aarch64", (80,), 0),
    "A100-PCIe-80GBx8": (8, 30, None, "x86_64", (), 0),
    "A100-SXM4x8": (8, None, None, "x86_64", (), 0),
    "A10x8": (8, 921.6, None, "x86_64", (64, 32), 0),
    "A2x2": (2, 100, None, None, (), 0),
    "A30-MIG_32x1g.6gb": (32, 512, None, "x86_64", (64, 32), 0),
    "B200-SXM-180GBx8": (8, 100, "GenuineIntel", "x86_64", (), 0),
    "DGX-A100_A100-SXM-80GB-MIG_1x1g.10gb": (1, 1024, None, "x86_64", (64, 32), 0),
    "DGX-H100_H100-SXM-80GBx4": (4, 100, "GenuineIntel", "x86_64", (), 0),
    "Drive-A100-PCIex1": (1, 27.94, None, "x86_64", (16,), 0),
    "GB200-NVL72_GB200-186GB_aarch64x4": (4, 500, "ARM", "aarch64", (), 0),
    "GB200-NVL72_GB200-186GB_aarch64x72": (72, None, None, "aarch64", (), 0),
    "GH200-GraceHopper-Superchip_GH200-144GB_aarch64x2": (2, 600, "ARM", "aarch64", (), 0),
    "H100-PCIe-80GBx8": (8, 100, "AuthenticAMD", "x86_64", (), 0),
    "H200-SXM-141GB-CTSx8": (8, 1862.645, "GenuineIntel", "x86_64", (), 0),
    "H200-SXM-141GBx8": (8, 100, "GenuineIntel", "x86_64", (), 0),
    "L4x1": (1, 100, None, "x86_64", (16,), 0),
    "Orin": (1, 7, "ARM", "aarch64", (), 2),
    "T4x20": (20, 32, None, "x86_64", (), 0),
    "Triton_CPU_2S_8380x1": (0, 465.661, None, "x86_64", (40,), 0),
    "Xavier_NX": (1, 7, None, "aarch64", (2, 6), 2),
}


def test_the_published_systems_are_there():
    assert len(KNOWN) == 127
    assert Counter(system.status for system in KNOWN) == {
        "known": 104,
        "deprecated": 19,
        "config-only": 2,
        "submission-only": 2,
    }
    assert Counter(system.category for system in KNOWN)[None] == 82
    assert all(system.rounds for system in KNOWN)


def test_ids_are_file_names_that_any_shell_and_hydra_take_as_they_are():
    assert [name for name in SYSTEMS if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)] == []
    assert [name for name, system in SYSTEMS.items() if system.id != name] == []
    assert not {"none", "null", "true", "false", "on", "off", "yes", "no", "auto"} & {name.lower() for name in SYSTEMS}


def test_no_two_systems_claim_one_name():
    claims = Counter(name.lower() for system in SYSTEMS.values() for name in (system.id, *system.aliases))
    assert [name for name, times in claims.items() if times > 1] == []


@pytest.mark.parametrize(
    ("alias", "system"),
    [
        ("H200_SXM_141GBx8", "H200-SXM-141GBx8"),
        ("A100_SXM_80GB_MIG_1x1g_10gb", "DGX-A100_A100-SXM-80GB-MIG_1x1g.10gb"),
        ("GB300-NVL72_GB300-288GB_aarch64x72", "GB300-NVL72_GB300-288GB_aarch64x72_TRT"),
        ("DGX-A100_A100-SXM-80GBx8_TRT", "DGX-A100_A100-SXM-80GBx8"),
        ("triton_cpu_2s_6258r", "Triton_CPU_2S_6258Rx1"),
    ],
)
def test_class_names_and_submitted_names_are_aliases(alias, system):
    assert Registry.load().translate([f"system={alias}"]) == [f"system={system}"]


def test_the_same_hardware_is_a_system_of_today():
    named = {system.id: system.same_hardware_as for system in KNOWN if system.same_hardware_as}
    assert len(named) == 12
    assert all(SYSTEMS[other].same_hardware_as is None for other in named.values())
    assert all(SYSTEMS[one].accelerator_count == SYSTEMS[other].accelerator_count for one, other in named.items())


def test_devices_are_those_that_the_rules_look_for():
    for system in KNOWN:
        has_gpu = system.match.accelerator.compute_sm is not None
        assert system.devices == (("gpu", "cpu") if has_gpu else ("cpu",)), system.id


def test_the_rules_of_accelerators_are_the_published_numbers():
    found = {}
    for system in KNOWN:
        rules = system.match.accelerator
        if rules.gpu is not None:
            numbers = (
                " ".join(rules.pci_ids),
                rules.compute_sm,
                tuple(size // GIB for size in rules.vram),
                rules.power_limit_watts,
                rules.power_limit_tolerance,
            )
            found.setdefault((rules.gpu, rules.mig_profile), set()).add(numbers)
    assert found == {key: {numbers} for key, numbers in ACCELERATORS.items()}


@pytest.mark.parametrize("name", HOSTS)
def test_the_rules_of_hosts_are_the_published_numbers(name):
    count, memory, vendor, architecture, cores, dlas = HOSTS[name]
    system, match = SYSTEMS[name], SYSTEMS[name].match
    assert (system.accelerator_count, match.dla_count) == (count, dlas)
    assert (match.cpu.vendor, match.cpu.architecture, match.cpu.cores_per_socket) == (vendor, architecture, cores)
    stated = None if match.host_memory is None else match.host_memory / GIB
    assert stated == (None if memory is None else pytest.approx(memory, rel=1e-3))  # 921.6 GiB is no whole number


def test_what_a_mig_system_counts_is_slices():
    sliced = [system for system in KNOWN if system.match.accelerator.mig_profile]
    assert len(sliced) == 25
    for system in sliced:
        assert f"{system.accelerator_count}x{system.match.accelerator.mig_profile}" in system.id


def test_all_but_the_generic_system_state_rules():
    assert {name for name, system in SYSTEMS.items() if system.match == SystemMatch()} == {"generic_cpu"}


def test_one_machine_fits_two_systems_only_where_the_data_says_that_they_are_one():
    fitting = [(a, b) for a, b in combinations(KNOWN, 2) if _can_be_one_machine(a, b)]
    assert len(fitting) == 13
    assert [(a.id, b.id) for a, b in fitting if _today(a) != _today(b)] == []


def test_each_has_tuned_values_or_takes_over_those_of_the_nearest_that_has():
    tuned = {cell.system for cell in Registry.load().library.tuned.cells}
    without = {system.id: system for system in KNOWN if system.id not in tuned}
    assert len(without) == 42
    assert all(SYSTEMS[name].base is None for name in tuned)
    # Whose chip the rules do not say: v2.1 stated too little of the previews, and instances are named for their size.
    named = {name for name in without if name.startswith(("H100-SXM-80GB", "Triton_Inferentia"))}
    assert all(without[name].base.system in tuned for name in named)
    for name in without.keys() - named:
        mine = Kind.of_system(without[name])
        nearest = nearest_first(mine, (SYSTEMS[one] for one in tuned if "gpu" in SYSTEMS[one].devices), tuned)[0]
        assert without[name].base == base_of(mine, nearest), name


@pytest.mark.parametrize("name", ["AGX_Xavier", "Xavier_NX"])
def test_a_chip_is_known_by_all_of_its_cores_as_by_those_of_a_cluster(name):
    rules = SYSTEMS[name].match.cpu
    assert rules.sockets is None
    assert rules.cores_per_socket == (2, {"AGX_Xavier": 8, "Xavier_NX": 6}[name])


@pytest.mark.parametrize(
    "name", ["A100-PCIe-80GB-MIG_1x1g.10gb", "Triton_CPU_4S_8380Hx1", "GB200-NVL72_GB200-186GB_aarch64x72"]
)
def test_hydra_composes_them(name):
    composed = Registry.load().compose([f"system={name}", "benchmark=resnet50", "backend=tensorrt"])
    assert structure(System, composed.tree["system"]) == SYSTEMS[name]


def _today(system: System) -> str:
    return system.same_hardware_as or system.id


def _can_be_one_machine(a: System, b: System) -> bool:
    one, other = a.match.accelerator, b.match.accelerator
    return (
        a.accelerator_count == b.accelerator_count
        and one.mig_profile == other.mig_profile
        and one.compute_sm == other.compute_sm
        and _same_device(one, other)
        and _overlap(one.vram, other.vram)
        and _close(one.power_limit_watts, other.power_limit_watts)
        and _agree(a.match.cpu.architecture, b.match.cpu.architecture)
        and _agree(a.match.cpu.vendor, b.match.cpu.vendor)
        and (a.accelerator_count > 0 or _overlap(a.match.cpu.names, b.match.cpu.names))
    )


def _same_device(one, other) -> bool:
    if one.pci_ids and other.pci_ids:
        return bool(set(one.pci_ids) & set(other.pci_ids))
    return one.gpu == other.gpu or bool(set(one.names) & set(other.names))


def _overlap(one, other) -> bool:
    return not one or not other or bool(set(one) & set(other))


def _close(one, other) -> bool:
    return one is None or other is None or abs(one - other) <= 0.05 * max(one, other)


def _agree(one, other) -> bool:
    return one is None or other is None or one == other
