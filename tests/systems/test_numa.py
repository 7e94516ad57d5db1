"""NVIDIA's NUMA string: read, written, derived from a machine, and held against one."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry import Registry
from mlperf_registry.schema.machine import Accelerator, Cpu, Machine, NumaNode
from mlperf_registry.schema.numa_string import NumaSegment, parse, parse_ranges, ranges, text
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.systems.numa import misfits, own_string

NVIDIAS = "&&&&&&1:96-111,224-239&0:112-127,240-255"
"""What NVIDIA's detection shows of a machine of eight nodes with two A30."""


def machine(nodes: dict[int, tuple[int, ...]], gpus: list[int | None]) -> Machine:
    """Cores by node, and the node of each accelerator."""
    return Machine(
        cpu=Cpu(
            vendor=None, model=None, architecture="x86_64", sockets=None, cores_per_socket=None, threads_per_core=None
        ),
        numa=tuple(NumaNode(index=index, cpus=cpus) for index, cpus in nodes.items()),
        accelerators=tuple(
            Accelerator(index=index, name="NVIDIA A30", numa_node=node) for index, node in enumerate(gpus)
        ),
    )


EPYC = machine(
    {node: (*range(16 * node, 16 * node + 16), *range(16 * (node + 8), 16 * (node + 9))) for node in range(8)},
    [7, 6],
)
TWO_NODES = machine({0: (0, 1, 4, 5), 1: (2, 3, 6, 7)}, [0, 0, 1, 1])


def test_a_string_gives_each_node_by_its_place_gpus_and_cores():
    assert parse("0-1,4:0-3&&8") == (
        NumaSegment((0, 1, 4), (0, 1, 2, 3)),
        NumaSegment(),
        NumaSegment(cpus=(8,)),
    )
    assert parse("") == ()


@pytest.mark.parametrize(
    "string",
    [
        NVIDIAS,
        "0-3:0-55,112-167&4-7:56-111,168-223",
        "3:0-15,128-143&2:16-31,144-159&1:32-47,160-175&0:48-63,176-191",
        "0-63,128-191&64-127",
        "0:0&",
    ],
)
def test_published_strings_are_canonical(string):
    assert text(parse(string)) == string


numbers = st.sets(st.integers(0, 9999), max_size=20).map(lambda found: tuple(sorted(found)))
segments = st.one_of(
    st.just(NumaSegment()),
    st.builds(NumaSegment, gpus=numbers, cpus=numbers.filter(bool)),
)


@given(st.lists(segments, max_size=9).map(tuple).filter(lambda found: found != (NumaSegment(),)))
def test_parse_undoes_text(found):
    assert parse(text(found)) == found


@given(numbers.filter(bool))
def test_a_list_of_numbers_is_written_in_ranges_and_read_back(found):
    assert parse_ranges(ranges(found)) == found


@given(st.text(alphabet="0123456789-,:& x", max_size=20))
def test_any_other_text_is_refused_with_a_sentence(string):
    try:
        found = parse(string)
    except ValueError as error:
        assert "character" in str(error)
    else:
        assert parse(text(found)) == found


@pytest.mark.parametrize(
    ("string", "said"),
    [
        ("0-3:0-27&4-7:55-28", "character 14: '55-28' goes down, write 28-55"),
        ("0:0-3&1:4,x", "character 11: 'x' is no number"),
        ("0:", "character 3: '' is no number"),
        (":0-3", "character 1: '' is no number"),
        ("0:1:2", "character 3: '1:2' is no number"),
        ("0-3, 8", "character 5: ' 8' is no number"),
        ("0-3,2", "character 5: '2' names a number again"),
        ("0-99999", "character 1: '0-99999' is no number up to 9999"),
        ("٣", "character 1: '٣' is no number"),
        ("&" * 1024, "1025 nodes"),
    ],
)
def test_a_wrong_string_is_refused_with_its_place(string, said):
    with pytest.raises(ValueError, match=said):
        parse(string)


def test_a_wrong_string_is_bad_input():
    with pytest.raises(ConfigError) as caught:
        Registry.load().get(
            system="generic_cpu", benchmark="resnet50-mini", scenario="offline", overrides=["runtime.numa_config='3-0'"]
        )
    assert "'3-0' goes down, write 0-3" in str(caught.value)


def test_derived_strings_are_those_that_nvidia_shows():
    assert own_string(EPYC) == NVIDIAS
    assert own_string(TWO_NODES) == "0-1:0-1,4-5&2-3:2-3,6-7"


@pytest.mark.parametrize(
    ("found", "string"),
    [
        (machine({0: (0, 1)}, [None]), "0:0-1"),
        (machine({0: (0, 1), 1: (2, 3)}, [0]), "0:0-1"),
        (machine({0: (0, 1), 1: (2, 3)}, [None, 1]), "&1:2-3"),
        (machine({0: (0, 1), 1: (2, 3)}, []), "0-1&2-3"),
        (machine({0: (0, 1), 2: ()}, [0]), "0:0-1"),  # the memory of a Grace Hopper's GPU is a node without cores
        (machine({}, [None]), ""),
    ],
    ids=["one-node", "empty-last-node", "unknown-node", "no-gpus", "memory-only-node", "nodes-unknown"],
)
def test_what_a_machine_does_not_say_is_left_out(found, string):
    assert own_string(found) == string


@given(
    st.integers(1, 4).flatmap(
        lambda nodes: st.tuples(
            st.just(nodes), st.integers(1, 8), st.lists(st.none() | st.integers(0, nodes - 1), max_size=6)
        )
    )
)
def test_a_derived_string_fits_its_own_machine(drawn):
    nodes, cores, gpus = drawn
    found = machine({node: tuple(range(node * cores, (node + 1) * cores)) for node in range(nodes)}, gpus)
    assert misfits(parse(own_string(found)), found) == ()


@pytest.mark.parametrize(
    ("string", "said"),
    [
        ("0-1:0-1,4-5&2-3:2-3,6-7", ()),
        ("0-1:0-9", ("names cores 8-9, and this machine has cores 0-7",)),
        ("4:0-1", ("names GPU 4, and this machine has GPUs 0-3",)),
        ("0:0-1&1:1-2", ("gives core 1 to the nodes 0 and 1",)),
        ("0-1:0&&1:2", ("gives GPU 1 to the nodes 0 and 2",)),
        ("0,9:0,8&0:8", ("core 8,", "GPU 9,", "gives core 8", "gives GPU 0")),
    ],
)
def test_what_a_machine_cannot_give_is_said_all_at_once(string, said):
    found = misfits(parse(string), TWO_NODES)
    assert len(found) == len(said)
    assert all(part in one for part, one in zip(said, found, strict=True))


def test_a_machine_that_does_not_say_what_it_has_refutes_nothing():
    unknown = attrs.evolve(TWO_NODES, numa=(), accelerators=())
    assert misfits(parse("0:0-9999"), unknown) == ()
