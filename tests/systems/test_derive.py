"""A derived system is named, is its own machine, takes over in proportion, and is written so that it reads back."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.compose.document import load_yaml
from mlperf_registry.schema.machine import Accelerator, Cpu, Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.schema.sections.system import SystemBase
from mlperf_registry.schema.system_match import SystemMatch
from mlperf_registry.structure import structure
from mlperf_registry.systems.derive import derive, unregistered_id
from mlperf_registry.systems.match import match
from mlperf_registry.systems.relative import relative
from mlperf_registry.systems.stub import HEADER, TunedExample, yaml_of

GIB = 2**30
CPU = Cpu(
    vendor="AuthenticAMD",
    model="AMD EPYC 9654 96-Core Processor",
    architecture="x86_64",
    sockets=1,
    cores_per_socket=96,
    threads_per_core=2,
)
L4 = Accelerator(index=0, name="NVIDIA L4", pci_id="27B8", compute_sm=89, vram=23034 * 2**20, power_limit_watts=72.0)
BOX = Machine(cpu=CPU, memory=250 * GIB, accelerators=(L4,) * 3)


def _read(text: str, folder: Path) -> System:
    file = folder / "system.yaml"
    file.write_text(text, encoding="utf-8")
    return structure(System, load_yaml(file).tree["system"])


# Names


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (BOX, "UNREGISTERED_x86_64_NVIDIA-L4x3"),
        (attrs.evolve(BOX, accelerators=()), "UNREGISTERED_x86_64_CPU"),
        (
            attrs.evolve(
                BOX, accelerators=(attrs.evolve(L4, name="NVIDIA A100-SXM4-80GB", mig_profile="1g.10gb"),) * 7
            ),
            "UNREGISTERED_x86_64_NVIDIA-A100-SXM4-80GB-MIG_7x1g.10gb",
        ),
        (attrs.evolve(BOX, accelerators=(attrs.evolve(L4, name="Orin (nvgpu)/../x"),)), None),
    ],
)
def test_the_name_of_an_unknown_machine_is_nvidias_and_safe(machine, name):
    made = unregistered_id(machine)
    assert name is None or made == name
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", made)
    assert "/" not in made


def test_a_name_that_is_given_is_taken(systems):
    system = derive(BOX, relative(BOX, systems.values()), "my_box")
    assert system.id == "my_box"
    assert system.tags == ("custom",)
    assert derive(BOX, None).tags == ("unregistered",)


# What is taken over


def _base(systems, machine, tuned=()) -> SystemBase | None:
    return derive(machine, relative(machine, systems.values(), tuned)).base


def test_rates_go_by_the_number_of_accelerators(systems):
    assert _base(systems, BOX) == SystemBase(system="L4x4", rate_factor=0.75)
    assert _base(systems, BOX, {"L4x1"}) == SystemBase(system="L4x1", rate_factor=3.0)
    assert _base(systems, attrs.evolve(BOX, accelerators=(L4,) * 7)).rate_factor == 0.875


def test_rates_of_slices_go_by_their_share_of_a_gpu(systems):
    gpu = {"name": "NVIDIA H100 80GB HBM3", "pci_id": "2330", "compute_sm": 90, "vram": 9984 * 2**20}
    slices = tuple(Accelerator(index=0, mig_profile="1g.10gb", **gpu) for _ in range(7))
    base = _base(systems, attrs.evolve(BOX, accelerators=slices))
    assert base == SystemBase(system="DGX-H100_H100-SXM-80GBx1", rate_factor=1.0, size_factor=0.121875)


def test_sizes_are_capped_by_memory_and_never_grow(systems):
    def box(vram):
        return attrs.evolve(BOX, accelerators=(attrs.evolve(L4, vram=vram),))

    assert _base(systems, box(int(11.5 * GIB)), {"L4x1"}).size_factor == 0.5
    assert _base(systems, box(48 * GIB), {"L4x1"}).size_factor == 1.0
    assert _base(systems, box(None), {"L4x1"}).size_factor == 1.0
    # What a driver keeps for itself is no smaller GPU.
    assert _base(systems, box(int(22.5 * GIB)), {"L4x1"}).size_factor == 1.0


def test_category_and_abilities_are_the_relatives_but_for_paths_that_nobody_saw_here(systems):
    paths = ("start_from_device_enabled", "end_on_device_enabled")
    kin = attrs.evolve(systems["DGX-H100_H100-SXM-80GBx8"], tags=(*paths, "is_fast"))
    gpu = Accelerator(index=0, name="NVIDIA H100 80GB HBM3", pci_id="2330", compute_sm=90, vram=80 * GIB)
    system = derive(attrs.evolve(BOX, accelerators=(gpu,) * 5), kin)
    assert (system.category, system.tags) == (kin.category, ("is_fast", "unregistered"))
    assert system.base == SystemBase(system=kin.id, rate_factor=0.625)


def test_a_machine_without_accelerators_takes_over_nothing(systems):
    system = derive(attrs.evolve(BOX, accelerators=()), None, "laptop")
    assert (system.base, system.devices, system.accelerator_count) == (None, ("cpu",), 0)
    assert system.match.cpu.names == (CPU.model,)


# A derived system is its own machine

sizes = st.one_of(st.none(), st.integers(2**28, 300 * GIB))
texts = st.text(alphabet="abzAZ09 ()-./@%&:#'\"", min_size=1, max_size=20).map(str.strip).filter(bool)
small = st.one_of(st.none(), st.integers(1, 256))
accelerators = st.builds(
    Accelerator,
    index=st.just(0),
    name=texts,
    pci_id=st.one_of(st.none(), st.from_regex(r"[0-9A-F]{4}", fullmatch=True)),
    compute_sm=st.one_of(st.none(), st.sampled_from([70, 75, 80, 89, 90, 103, 110, 130])),
    vram=sizes,
    power_limit_watts=st.one_of(st.none(), st.sampled_from([72.0, 310.5, 700.0])),
    integrated=st.booleans(),
    mig_profile=st.one_of(st.none(), st.sampled_from(["1g.10gb", "3g.40gb", "1g.10gb+me"])),
)
machines_of_any_kind = st.builds(
    Machine,
    cpu=st.builds(
        Cpu,
        vendor=st.one_of(st.none(), texts),
        model=st.one_of(st.none(), texts),
        architecture=st.sampled_from(["x86_64", "aarch64", "riscv64"]),
        sockets=small,
        cores_per_socket=small,
        threads_per_core=small,
    ),
    memory=sizes,
    accelerators=st.tuples(accelerators, st.integers(0, 9)).map(lambda drawn: (drawn[0],) * drawn[1]),
    dla_count=st.integers(0, 2),
)


@settings(max_examples=150, deadline=None)
@given(machine=machines_of_any_kind)
def test_a_derived_system_reads_back_and_is_its_machine(systems, tmp_path_factory, machine):
    system = derive(machine, relative(machine, systems.values()), "mine")
    for comments in (True, False):
        assert _read(yaml_of(system, comments=comments), tmp_path_factory.getbasetemp()) == system
    assert match(machine, [*systems.values(), system], own={"mine"}).best == (
        None if system.match == SystemMatch() else system
    )


def test_unlike_gpus_make_one_system_that_is_its_machine(systems):
    other = attrs.evolve(L4, index=1, name="NVIDIA L40S", pci_id="26B9", vram=45 * GIB, power_limit_watts=350.0)
    box = attrs.evolve(BOX, accelerators=(other, L4, L4))
    system = derive(box, relative(box, systems.values()), "mixed")
    assert system.accelerator == "NVIDIA L4"  # what most of them are
    assert system.match.accelerator.pci_ids == ("26B9", "27B8")
    assert match(box, [*systems.values(), system], own={"mixed"}).best == system


# The file


def test_every_shipped_system_reads_back(systems, tmp_path):
    for system in systems.values():
        assert _read(yaml_of(system), tmp_path) == system


def test_the_file_is_short_has_units_and_says_what_is_taken_over(systems):
    example = TunedExample("v4.1", "resnet50", "offline", {"loadgen": {"offline_expected_qps": 39000}})
    kin = relative(BOX, systems.values())
    text = yaml_of(derive(BOX, kin, "my_box"), example=example, numa="0-2:0-95")
    assert text.startswith(f"{HEADER}\n")
    assert max(map(len, text.splitlines())) <= 120
    assert len(text.splitlines()) <= 42
    for line in (
        "  base: {system: L4x4, rate_factor: 0.75}",
        "    host_memory: 250GiB",
        "  # Where it has no tuned values of its own, L4x4's are taken: rates x0.75.",
        '# runtime: {numa_config: "0-2:0-95"}',
        "# tuned/v4.1/my_box/resnet50/offline.yaml:",
        "#   loadgen: {offline_expected_qps: 39000}",
    ):
        assert line in text.splitlines()


def test_what_is_commented_out_can_be_stated(systems, tmp_path):
    unstated = ("submitter", "cooling")
    text = yaml_of(derive(BOX, relative(BOX, systems.values()), "my_box"), numa="0-2:0-95", unstated=unstated)
    stated = re.sub(r"^( *)# (category|submission|runtime):", r"\1\2:", text, flags=re.MULTILINE)
    stated = re.sub(r"^  #   (submitter|cooling):  # ", r"    \1: Acme  # ", stated, flags=re.MULTILINE)
    file = tmp_path / "my_box.yaml"
    file.write_text(stated)
    tree = load_yaml(file).tree
    system = structure(System, tree["system"])
    assert (system.category, system.submission.submitter, system.submission.cooling) == ("datacenter", "Acme", "Acme")
    assert tree["runtime"] == {"numa_config": "0-2:0-95"}


def test_without_comments_there_is_nothing_but_the_system(systems):
    text = yaml_of(derive(BOX, relative(BOX, systems.values())), comments=False)
    assert [line for line in text.splitlines() if "#" in line] == [HEADER]
