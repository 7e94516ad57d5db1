from __future__ import annotations

import pytest

from mlperf_registry.detect.numa import node_of, read_numa
from mlperf_registry.schema.machine import NumaNode

NODES = "/sys/devices/system/node"
ONE, TWO = NumaNode(index=0, cpus=(0, 1)), NumaNode(index=1, cpus=(2, 3))
MEMORY_OF_A_GPU = NumaNode(index=1, cpus=())


def test_nodes_are_read_with_gaps_between_them(make_host):
    files = {
        f"{NODES}/online": "0,8\n",
        f"{NODES}/node0/cpulist": "0-1\n",
        f"{NODES}/node0/meminfo": "Node 0 MemTotal:       1024 kB\n",
        f"{NODES}/node8/cpulist": "\n",
    }
    notes = []
    assert read_numa(make_host(files=files), notes) == (
        NumaNode(index=0, cpus=(0, 1), memory=2**20),
        NumaNode(index=8, cpus=()),
    )
    assert notes == []


@pytest.mark.parametrize("files", [{}, {f"{NODES}/online": "garbage"}])
def test_a_kernel_without_nodes_is_noted(make_host, files):
    notes = []
    assert read_numa(make_host(files=files), notes) == ()
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("text", "nodes", "node"),
    [
        ("1\n", (ONE, TWO), 1),
        ("-1\n", (ONE, TWO), None),
        ("-1\n", (ONE,), 0),
        (None, (ONE, MEMORY_OF_A_GPU), 0),
        (None, (), None),
    ],
)
def test_a_device_hangs_on_the_node_that_the_kernel_says_or_on_the_only_one(make_host, text, nodes, node):
    host = make_host(files={} if text is None else {"/sys/bus/pci/devices/x/numa_node": text})
    assert node_of(host, "/sys/bus/pci/devices/x", nodes) == node
    assert node_of(host, None, nodes) == (0 if sum(bool(one.cpus) for one in nodes) == 1 else None)
