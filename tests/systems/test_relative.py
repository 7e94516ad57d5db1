"""The nearest known system, for GPUs that are known, like known ones, of their generation, or of none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.schema.machine import Accelerator, Cpu, Machine
from mlperf_registry.systems.match import match
from mlperf_registry.systems.relative import Degree, Kind, likeness, nearest_first, relative

GIB = 2**30
CPU = Cpu(
    vendor="AuthenticAMD",
    model="AMD EPYC 9654 96-Core Processor",
    architecture="x86_64",
    sockets=1,
    cores_per_socket=96,
    threads_per_core=2,
)


def _machine(count=1, **gpu) -> Machine:
    seen = tuple(Accelerator(index=index, **gpu) for index in range(count))
    return Machine(cpu=CPU, memory=256 * GIB, accelerators=seen)


L4 = {"name": "NVIDIA L4", "pci_id": "27B8", "compute_sm": 89, "vram": 23034 * 2**20, "power_limit_watts": 72.0}
RTX_4090 = {
    "name": "NVIDIA GeForce RTX 4090",
    "pci_id": "2684",
    "compute_sm": 89,
    "vram": 24 * GIB,
    "power_limit_watts": 450.0,
}
RTX_5090 = {
    "name": "NVIDIA GeForce RTX 5090",
    "pci_id": "2B85",
    "compute_sm": 120,
    "vram": 32 * GIB,
    "power_limit_watts": 575.0,
}
V100 = {
    "name": "Tesla V100-SXM2-32GB",
    "pci_id": "1DB5",
    "compute_sm": 70,
    "vram": 32 * GIB,
    "power_limit_watts": 300.0,
}
THOR = {"name": "NVIDIA Thor", "compute_sm": 110, "vram": 122 * GIB, "integrated": True}
NEXT_BOARD = {**THOR, "name": "NVIDIA Rubin", "compute_sm": 130}
H100_SLICE = {
    "name": "NVIDIA H100 80GB HBM3",
    "pci_id": "2330",
    "compute_sm": 90,
    "vram": 9984 * 2**20,
    "mig_profile": "1g.10gb",
}


@pytest.mark.parametrize(
    ("machine", "system", "degree"),
    [
        (_machine(3, **L4), "L4x1", Degree.SAME_MODEL),  # L4x2, x4 and x8 have no tuned values
        (_machine(1, **RTX_4090), "L40Sx1", Degree.SAME_CAPABILITY),
        (_machine(1, **RTX_5090), "B200-SXM-180GBx1", Degree.SAME_GENERATION),
        (_machine(1, **V100), "TitanRTXx1", Degree.SAME_DEVICE),
        (_machine(1, **THOR), "Thor", Degree.SAME_MODEL),
        (_machine(1, **NEXT_BOARD), "Thor", Degree.SAME_DEVICE),
        (_machine(7, **H100_SLICE), "DGX-H100_H100-SXM-80GBx1", Degree.SAME_MODEL),
    ],
)
def test_the_nearest_is_of_the_likest_gpu(systems, machine, system, degree):
    found = relative(machine, systems.values())
    tuned_first = relative(machine, systems.values(), {"L4x1"})
    assert (found.degree, tuned_first.degree) == (degree, degree)
    assert system in (found.system.id, tuned_first.system.id)


def test_without_tuned_values_the_nearest_number_counts(systems):
    assert relative(_machine(3, **L4), systems.values()).system.id == "L4x4"
    assert relative(_machine(6, **L4), systems.values()).system.id == "L4x8"


def test_the_reasons_say_what_is_shared_and_what_differs(systems):
    found = relative(_machine(3, **L4), systems.values(), {"L4x1"})
    assert found.reasons == ("the same GPU, NVIDIA L4", "1 whole GPU there, 3 whole GPUs here")
    found = relative(_machine(1, **RTX_4090), systems.values(), {"L4x1"})
    assert found.system.id == "L4x1"
    assert found.reasons == ("NVIDIA L4 has the same compute capability, 8.9",)
    found = relative(_machine(1, **RTX_5090), systems.values(), {"L4x1"})
    assert found.reasons == (
        "NVIDIA B200-SXM-180GB is of the same generation",
        "180 GiB of memory each there, 32 GiB here",
        "without tuned values",
    )
    found = relative(_machine(7, **H100_SLICE), systems.values())
    assert found.reasons[-1] == "1 whole GPU there, 7 of 1g.10gb here"


def test_a_machine_without_accelerators_has_no_relative(systems):
    assert relative(_machine(0), systems.values()) is None
    assert relative(_machine(1, **L4), [systems["generic_cpu"]]) is None


def test_whoever_matches_is_of_the_same_model(systems, machines, tuned):
    for machine in machines.values():
        best = match(machine, systems.values()).best
        found = relative(machine, systems.values(), tuned)
        assert (found is None) == (not machine.accelerators)
        if found is not None:
            ids = systems[best.id].match.accelerator.pci_ids
            assert found.degree is Degree.SAME_MODEL
            assert set(found.system.match.accelerator.pci_ids) == set(ids)


def test_every_tuned_gpu_is_nearest_to_itself(systems, tuned):
    for name in sorted(tuned):
        kind = Kind.of_system(systems[name])
        ranked = nearest_first(kind, systems.values(), tuned)
        assert likeness(kind, Kind.of_system(ranked[0])).degree is Degree.SAME_MODEL


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_likeness_has_no_direction_and_the_order_of_systems_does_not_matter(systems, data):
    names = st.sampled_from(sorted(systems))
    one, other = (Kind.of_system(systems[data.draw(names)]) for _ in range(2))
    assert likeness(one, other) == likeness(other, one)
    shuffled = data.draw(st.permutations(list(systems.values())))
    assert nearest_first(one, shuffled) == nearest_first(one, systems.values())


def test_a_slice_counts_as_its_share_of_a_gpu(systems):
    assert Kind.of_machine(_machine(7, **H100_SLICE)).capacity == pytest.approx(1)
    assert Kind.of_system(systems["A30-MIG_32x1g.6gb"]).capacity == pytest.approx(8)


@pytest.mark.parametrize(
    ("gpu", "profile", "share"),
    [
        ("NVIDIA H100 80GB HBM3", "3g.40gb", 3 / 7),
        ("NVIDIA H100 80GB HBM3", "1g.10gb+me", 1 / 7),
        ("NVIDIA H100 80GB HBM3", "1c.3g.40gb", 1 / 7),  # a compute instance within a slice
        ("NVIDIA A30", "2g.12gb", 2 / 4),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "1g.24gb", 1 / 4),
        ("NVIDIA H100 80GB HBM3", "unknown", 1),
    ],
)
def test_the_share_is_that_of_the_profiles_compute_slices(gpu, profile, share):
    seen = {**H100_SLICE, "name": gpu, "mig_profile": profile}
    assert Kind.of_machine(_machine(1, **seen)).compute_share == pytest.approx(share)
