"""The right system or none, with the right near miss, for every published system and for what can differ from it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import permutations
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.detect.machine import load_machine
from mlperf_registry.schema.machine import Accelerator, Cpu, Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.schema.system_match import AcceleratorMatch, CpuMatch, SystemMatch
from mlperf_registry.systems.match import NEAR_MISSES, Matching, match

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30

H100 = Accelerator(
    index=0, name="NVIDIA H100 80GB HBM3", pci_id="2330", compute_sm=90, vram=81559 * 2**20, power_limit_watts=700.0
)
XEON = Cpu(
    vendor="GenuineIntel",
    model="Intel(R) Xeon(R) Platinum 8480C",
    architecture="x86_64",
    sockets=1,
    cores_per_socket=8,
    threads_per_core=2,
)
SMALL_VM = Machine(cpu=XEON, memory=125 * GIB, accelerators=(H100,))


def _today(system: System) -> str:
    return system.same_hardware_as or system.id


def _each(machine: Machine, **changed) -> Machine:
    accelerators = tuple(
        attrs.evolve(one, **{name: change(getattr(one, name)) for name, change in changed.items()})
        for one in machine.accelerators
    )
    return attrs.evolve(machine, accelerators=accelerators)


def _limit(machine: Machine) -> float | None:
    return machine.accelerators[0].power_limit_watts if machine.accelerators else None


def _gpu(system: System):
    return (system.match.accelerator.pci_ids or system.match.accelerator.gpu, system.match.accelerator.mig_profile)


def _told(found: Matching) -> str:
    return found.candidates[0].text


# The published systems


def test_each_published_machine_is_its_system_and_no_other(systems, machines):
    """126 machines against all systems: what matches is the system itself, and ids that the data calls the same."""
    pairs = 0
    for name, machine in machines.items():
        found = match(machine, systems.values())
        fitting = {one.system.id for one in found.candidates if one.matches}
        assert name in fitting
        assert {_today(systems[one]) for one in fitting} == {_today(systems[name])}
        assert found.tied == ()
        # The older id stays where the later one wants another power limit: a DGX Station's 275 W.
        assert found.best.id == (_today(systems[name]) if _today(systems[name]) in fitting else name)
        pairs += len(fitting) - 1
    assert len(machines) == 126
    assert pairs == 26


def test_systems_of_one_hardware_are_of_two_gpus_and_the_data_names_them(systems, machines):
    groups = {
        frozenset(one.system.id for one in match(machine, systems.values()).candidates if one.matches)
        for machine in machines.values()
    }
    largest = {group for group in groups if len(group) > 1 and not any(group < other for other in groups)}
    assert {_gpu(systems[min(group)])[0] for group in largest} == {("20B0",), ("20B2",)}
    assert sorted(map(len, largest)) == [2, 2, 2, 2, 3, 3, 3]
    assert all(len({_today(systems[one]) for one in group}) == 1 for group in largest)


@pytest.mark.parametrize("factor", [0.96, 1.04])
def test_a_little_more_or_less_memory_changes_nothing(systems, machines, factor):
    for machine in machines.values():
        other = _each(machine, vram=lambda vram: vram and int(vram * factor))
        assert match(other, systems.values()).best == match(machine, systems.values()).best


def test_another_power_limit_is_no_match_and_is_what_differs(systems, machines):
    limited = {name: machine for name, machine in machines.items() if _limit(machine)}
    assert len(limited) == 111
    for name, machine in limited.items():
        found = match(_each(machine, power_limit_watts=lambda watts: watts * 0.85), systems.values())
        assert found.best is None
        assert _today(found.candidates[0].system) == _today(systems[name])
        assert re.fullmatch(r"power limit [\d.]+ W, want [\d.]+ W( \+-5 %)?", _told(found))


def test_another_host_is_the_same_system_or_none_and_then_the_nearest_miss(systems, machines):
    outcomes = Counter()
    for name, machine in machines.items():
        if not machine.accelerators:
            continue
        arm = machine.cpu.architecture == "aarch64"
        other = attrs.evolve(
            machine,
            cpu=attrs.evolve(
                machine.cpu,
                vendor="ARM" if arm else "AuthenticAMD",
                model="Neoverse-V1" if arm else "AMD EPYC 9654 96-Core Processor",
                sockets=1,
                cores_per_socket=96,
            ),
            memory=48 * GIB,
        )
        found = match(other, systems.values())
        nearest = found.candidates[0]
        assert _today(nearest.system) == _today(systems[name])
        assert {one.rule for one in nearest.differing} <= {
            "CPU",
            "CPU vendor",
            "cores of a socket",
            "host memory",
            "power limit",
        }
        outcomes["the same" if found.best else "none, nearest to it"] += 1
    assert outcomes == {"the same": 41, "none, nearest to it": 78}


@pytest.mark.parametrize("more", [1, -1])
def test_one_gpu_more_or_less_is_the_system_of_that_number_or_none(systems, machines, more):
    outcomes = Counter()
    for name, machine in machines.items():
        number = len(machine.accelerators) + more
        if not machine.accelerators or not number:
            continue
        seen = (*machine.accelerators, machine.accelerators[0])[:number]
        found = match(attrs.evolve(machine, accelerators=seen), systems.values())
        assert _gpu(found.candidates[0].system) == _gpu(systems[name])
        if found.best:
            assert found.best.accelerator_count == number
        else:
            assert _told(found) == f"accelerators {number}, want {found.candidates[0].system.accelerator_count}"
        outcomes["matches" if found.best else "none"] += 1
    assert outcomes == ({"matches": 16, "none": 103} if more == 1 else {"matches": 16, "none": 53})


def test_gpus_cut_in_slices_are_a_mig_system_or_none(systems, machines):
    outcomes = Counter()
    for name, machine in machines.items():
        first = machine.accelerators[0] if machine.accelerators else None
        if first is None or first.integrated or first.mig_profile:
            continue
        profile = f"1g.{int(first.vram / GIB / 8)}gb"
        slices = tuple(
            attrs.evolve(one, mig_profile=profile, vram=int(one.vram * 0.95 / 8))
            for one in machine.accelerators
            for _ in range(7)
        )
        found = match(attrs.evolve(machine, accelerators=slices), systems.values())
        assert found.candidates[0].system.match.accelerator.pci_ids == systems[name].match.accelerator.pci_ids
        if found.best:
            assert found.best.match.accelerator.mig_profile == profile
        elif not found.candidates[0].system.match.accelerator.mig_profile:
            assert f"MIG profile {profile}, want whole GPU" in _told(found)
        outcomes["matches" if found.best else "none"] += 1
    assert outcomes == {"matches": 8, "none": 82}


# Recorded machines


@pytest.mark.parametrize(
    ("recording", "system"),
    [
        ("dgx_h100", "DGX-H100_H100-SXM-80GBx8"),
        ("dgx_a100_mig", "DGX-A100_A100-SXM-80GB-MIG_56x1g.10gb"),
        ("gh200", "GH200-GraceHopper-Superchip_GH200-144GB_aarch64x1"),
        ("l4", "L4x1"),
        ("orin", "Orin"),
        ("h100_vm", "DGX-H100_H100-SXM-80GBx1"),
        ("laptop", None),
        ("small_vm", None),
        ("thor", "Thor"),
        ("unknown_4gpu", None),
    ],
)
def test_a_recorded_machine_is_recognised_from_what_detection_reads(systems, recording, system):
    machine = load_machine(ROOT / "tests" / "data" / "machines" / f"{recording}.json")
    best = match(machine, systems.values()).best
    assert (best and best.id) == system


# Real cases


def test_a_known_gpu_in_a_small_virtual_machine_is_recognised(systems):
    assert match(SMALL_VM, systems.values()).best.id == "DGX-H100_H100-SXM-80GBx1"


def test_a_virtual_machine_with_too_little_memory_is_told_so(systems):
    found = match(attrs.evolve(SMALL_VM, memory=64 * GIB), systems.values())
    assert found.best is None
    assert found.candidates[0].system.id == "DGX-H100_H100-SXM-80GBx1"
    assert _told(found) == "host memory 64 GiB, want 100 GiB or more, less 5 %"


def test_the_power_limit_tells_two_systems_of_one_gpu_apart(systems):
    def h200(watts):
        gpu = attrs.evolve(H100, name="NVIDIA H200", pci_id="2335", vram=143771 * 2**20, power_limit_watts=watts)
        return attrs.evolve(SMALL_VM, memory=2048 * GIB, accelerators=(gpu,))

    assert match(h200(700.0), systems.values()).best.id == "H200-SXM-141GBx1"
    assert match(h200(1000.0), systems.values()).best.id == "H200-SXM-141GB-CTSx1"


def test_of_equals_all_are_told(systems):
    gpu = attrs.evolve(H100, name="NVIDIA H200", pci_id="2335", vram=143771 * 2**20, power_limit_watts=None)
    found = match(attrs.evolve(SMALL_VM, memory=2048 * GIB, accelerators=(gpu,)), systems.values())
    assert {found.best.id, *(one.id for one in found.tied)} == {"H200-SXM-141GBx1", "H200-SXM-141GB-CTSx1"}
    assert found.best.id == "H200-SXM-141GBx1"


def test_a_machine_without_accelerators_is_near_processors_of_its_family_only(systems):
    laptop = attrs.evolve(SMALL_VM, accelerators=(), cpu=attrs.evolve(XEON, model="Intel(R) Core(TM) i7-1185G7"))
    assert match(laptop, systems.values()).candidates == ()
    server = attrs.evolve(laptop, cpu=XEON)
    assert all(one.system.id.startswith("Triton_CPU_") for one in match(server, systems.values()).candidates)


def test_unlike_gpus_in_one_machine_are_told(systems):
    other = attrs.evolve(H100, index=1, pci_id="2331", name="NVIDIA H100 PCIe")
    found = match(attrs.evolve(SMALL_VM, accelerators=(H100, other)), systems.values())
    assert found.best is None
    texts = [one.text for one in found.candidates]
    assert any("GPU NVIDIA H100 PCIe (PCI id 2331), want NVIDIA H100-SXM-80GB" in text for text in texts)


def test_a_board_tells_which_integrated_gpu_it_is(systems):
    gpu = Accelerator(index=0, name="Orin (nvgpu)", compute_sm=87, vram=int(61.4 * GIB), integrated=True)
    arm = Cpu(
        vendor="ARM", model="Cortex-A78AE", architecture="aarch64", sockets=1, cores_per_socket=12, threads_per_core=1
    )
    orin = Machine(cpu=arm, memory=int(61.4 * GIB), accelerators=(gpu,), dla_count=2)
    assert match(orin, systems.values()).best is None
    named = attrs.evolve(orin, board="NVIDIA Jetson AGX Orin Developer Kit")
    assert match(named, systems.values()).best.id == "Orin"


def test_near_misses_are_few_and_of_like_gpus(systems, machines):
    for machine in machines.values():
        found = match(machine, systems.values())
        near = [one for one in found.candidates if not one.matches]
        assert len(near) <= NEAR_MISSES
        assert all(one.text for one in near)


# A user's own systems


def _own(**match_rules) -> System:
    return System(id="mine", devices=("gpu", "cpu"), accelerator_count=1, match=SystemMatch(**match_rules))


def test_the_users_own_system_comes_before_a_shipped_one_with_more_rules(systems):
    mine = _own(accelerator=AcceleratorMatch(pci_ids=("2330",)))
    assert match(SMALL_VM, [*systems.values(), mine], own={"mine"}).best == mine
    assert match(SMALL_VM, [*systems.values(), mine]).best.id == "DGX-H100_H100-SXM-80GBx1"


def test_a_system_without_rules_is_never_recognised(systems):
    assert match(SMALL_VM, [_own()], own={"mine"}) == Matching(None, (), ())
    assert not any(one.system.id == "generic_cpu" for one in match(SMALL_VM, systems.values()).candidates)


def test_a_gpus_shipped_name_stands_for_its_pci_ids(systems):
    mine = _own(accelerator=AcceleratorMatch(gpu="H100_SXM_80GB"))
    assert match(SMALL_VM, [*systems.values(), mine], own={"mine"}).best == mine
    other = _own(accelerator=AcceleratorMatch(gpu="L4"))
    assert match(SMALL_VM, [*systems.values(), other], own={"mine"}).best != other


def test_the_model_of_the_gpu_must_be_seen(systems):
    unseen = attrs.evolve(H100, pci_id=None, name="Graphics Device")
    found = match(
        attrs.evolve(SMALL_VM, accelerators=(unseen,)), [_own(accelerator=AcceleratorMatch(pci_ids=("2330",)))]
    )
    assert found.best is None
    named = attrs.evolve(SMALL_VM, accelerators=(attrs.evolve(H100, pci_id=None),))
    assert match(named, systems.values()).best.id == "DGX-H100_H100-SXM-80GBx1"


def test_a_deprecated_system_is_recognised_but_gives_way_to_a_supported_one():
    old, new = (
        attrs.evolve(_own(accelerator=AcceleratorMatch(pci_ids=("2330",))), id=name, status=status)
        for name, status in (("a", "deprecated"), ("b", "known"))
    )
    assert match(SMALL_VM, [old]).best == old
    found = match(SMALL_VM, [old, new])
    assert (found.best, found.tied) == (new, ())


def test_of_equals_the_newest_round_is_meant():
    one, two, three = (
        attrs.evolve(_own(accelerator=AcceleratorMatch(pci_ids=("2330",))), id=name, rounds=rounds)
        for name, rounds in (("a", ("v4.1",)), ("b", ("v5.0", "v5.1")), ("c", ()))
    )
    for order in permutations((one, two, three)):
        found = match(SMALL_VM, order)
        assert (found.best, found.tied) == (two, (one, three))


# Properties

UNKNOWN_OF_GPU = ("compute_sm", "vram", "power_limit_watts", "uuid")
UNKNOWN_OF_CPU = ("vendor", "model", "sockets", "cores_per_socket", "threads_per_core")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_order_of_systems_does_not_matter(systems, machines, data):
    machine = machines[data.draw(st.sampled_from(sorted(machines)))]
    shuffled = data.draw(st.permutations(list(systems.values())))
    assert match(machine, shuffled) == match(machine, systems.values())


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_is_unknown_refutes_nothing(systems, machines, data):
    name = data.draw(st.sampled_from(sorted(name for name in machines if machines[name].accelerators)))
    machine = machines[name]
    of_gpu = data.draw(st.sets(st.sampled_from(UNKNOWN_OF_GPU)))
    of_cpu = data.draw(st.sets(st.sampled_from(UNKNOWN_OF_CPU)))
    dim = attrs.evolve(
        _each(machine, **{field: lambda _: None for field in of_gpu}),
        cpu=attrs.evolve(machine.cpu, **dict.fromkeys(of_cpu)),
        memory=data.draw(st.sampled_from((machine.memory, None))),
    )
    fitting = {one.system.id: one for one in match(dim, systems.values()).candidates if one.matches}
    bright = {one.system.id: one for one in match(machine, systems.values()).candidates if one.matches}
    assert set(bright) <= set(fitting)
    assert all(fitting[one].specificity <= bright[one].specificity for one in bright)


RULES = {
    "cpu": {"vendor": "GenuineIntel", "architecture": "x86_64", "names": (XEON.model,), "sockets": 1},
    "accelerator": {
        "names": (H100.name,),
        "pci_ids": ("2330",),
        "compute_sm": 90,
        "vram": (80 * GIB,),
        "power_limit_watts": 700.0,
    },
    "host": {"host_memory": 100 * GIB},
}


@settings(max_examples=100, deadline=None)
@given(stated=st.sets(st.sampled_from([(part, rule) for part, rules in RULES.items() for rule in rules]), min_size=1))
def test_a_further_rule_that_holds_never_lowers_specificity(stated):
    def system(rules) -> System:
        said = {part: {rule: RULES[part][rule] for of, rule in rules if of == part} for part in RULES}
        return _own(cpu=CpuMatch(**said["cpu"]), accelerator=AcceleratorMatch(**said["accelerator"]), **said["host"])

    full = match(SMALL_VM, [system(stated)]).candidates
    for rule in stated:
        fewer = match(SMALL_VM, [system(stated - {rule})]).candidates
        assert full[0].matches
        assert not fewer or full[0].specificity >= fewer[0].specificity
