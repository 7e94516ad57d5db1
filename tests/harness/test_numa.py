"""Placement on a made-up machine of two nodes, on this one, and where the kernel refuses."""

from __future__ import annotations

import errno
import os
import platform
import sys
import threading
from collections.abc import Collection

import pytest

from harness.cores import usable_cores
from harness.numa import Linux, Placement, Policy
from mlperf_registry.schema.numa_string import parse

TWO_NODES = "0-1:0-3&2-3:4-7"
FREE = frozenset(range(8))
DEFAULT = Policy(0, frozenset())
PREFERRED, INTERLEAVE = 1, 3

linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="binding is for Linux"
)


class TwoNodes:
    """A kernel with nodes 0 and 1 of four cores each: it keeps to what it is told, thread by thread."""

    def __init__(self, refuses: Collection[str] = ()) -> None:
        self.refuses = refuses
        self._of = threading.local()

    def _permit(self, call: str) -> None:
        if call in self.refuses:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def affinity(self) -> frozenset[int]:
        return getattr(self._of, "cores", FREE)

    def set_affinity(self, cores: Collection[int]) -> None:
        self._permit("set_affinity")
        self._of.cores = frozenset(cores)

    def policy(self) -> Policy:
        self._permit("policy")
        return getattr(self._of, "policy", DEFAULT)

    def set_policy(self, policy: Policy) -> None:
        self._permit("set_policy")
        self._of.policy = policy

    @property
    def state(self) -> tuple[frozenset[int], Policy]:
        return self.affinity(), getattr(self._of, "policy", DEFAULT)


def on(node: int) -> tuple[frozenset[int], Policy]:
    return frozenset(range(4 * node, 4 * node + 4)), Policy(PREFERRED, frozenset([node]))


def test_each_worker_of_a_gpu_runs_on_its_node_and_others_are_left_alone():
    kernel = TwoNodes()
    placement = Placement(parse(TWO_NODES), kernel=kernel)
    states = {}

    def work(gpu: int) -> None:
        placement.bind_thread(placement.node_of(gpu))
        states[gpu] = kernel.state

    workers = [threading.Thread(target=work, args=(gpu,)) for gpu in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert states == {0: on(0), 1: on(0), 2: on(1), 3: on(1), 4: (FREE, DEFAULT)}
    assert kernel.state == (FREE, DEFAULT)


def test_a_thread_is_bound_for_a_while_and_is_what_it_was_after():
    kernel = TwoNodes()
    placement = Placement(parse(TWO_NODES), kernel=kernel)
    with pytest.raises(ZeroDivisionError), placement.bound(1):
        assert kernel.state == on(1)
        raise ZeroDivisionError
    assert kernel.state == (FREE, DEFAULT)
    with placement.bound(None):
        assert kernel.state == (FREE, DEFAULT)


def test_memory_lies_on_one_node_or_on_all_in_turn():
    kernel = TwoNodes()
    placement = Placement(parse(f"{TWO_NODES}&"), kernel=kernel)
    with placement.memory(1):
        assert kernel.state == (FREE, Policy(PREFERRED, frozenset([1])))
    with placement.memory():
        assert kernel.policy() == Policy(INTERLEAVE, frozenset([0, 1]))
    assert kernel.policy() == DEFAULT
    with Placement(parse("&4-7"), kernel=kernel).memory():
        assert kernel.policy() == Policy(PREFERRED, frozenset([1]))


@pytest.mark.parametrize("string", [None, "", "&"])
def test_without_nodes_nothing_is_bound_and_workers_have_all_cores(string):
    placement = Placement.of(string)
    assert placement.nodes == (None,)
    assert placement.cores(None) == usable_cores()
    assert placement.node_of(0) is None
    with placement.memory(), placement.bound(None):
        placement.bind_thread(None)


def test_nodes_are_those_that_have_cores():
    placement = Placement.of("&0:4-7&&8-9")
    assert placement.nodes == (1, 3)
    assert [placement.cores(node) for node in placement.nodes] == [4, 2]
    assert placement.node_of(0) == 1


def test_a_refusal_is_told_once_and_the_rest_goes_on():
    kernel = TwoNodes(refuses=("policy", "set_policy"))
    told: list[str] = []
    placement = Placement(parse(TWO_NODES), told.append, kernel)
    with placement.memory(), placement.bound(1):
        assert kernel.affinity() == on(1)[0]
    placement.bind_thread(0)
    assert kernel.affinity() == on(0)[0]
    (note,) = told
    assert "place memory" in note
    assert "SYS_NICE" in note


def test_cores_that_the_kernel_refuses_are_named():
    told: list[str] = []
    Placement(parse(TWO_NODES), told.append, TwoNodes(refuses=("set_affinity",))).bind_thread(1)
    (note,) = told
    assert "cores 4-7" in note


@linux
def test_this_machine_binds_a_thread_and_says_on_which_cores_it_runs(capfd):
    core = min(os.sched_getaffinity(0))
    told: list[str] = []
    placement = Placement.of(str(core), told.append)
    seen = []

    def work() -> None:
        placement.bind_thread(0)
        seen.append(os.sched_getaffinity(0))
        seen.append(_policy())

    worker = threading.Thread(target=work, name="worker")
    worker.start()
    worker.join()
    assert seen[0] == {core}
    assert told or seen[1] == Policy(PREFERRED, frozenset([0]))
    assert f"Thread worker is of NUMA node 0 and runs on cores {core}." in capfd.readouterr().err


@linux
def test_this_machine_takes_back_what_was_for_a_while():
    before = os.sched_getaffinity(0), _policy()
    placement = Placement.of(str(min(before[0])), lambda note: None)
    with placement.bound(0):
        assert os.sched_getaffinity(0) == {min(before[0])}
    with placement.memory():
        assert _policy() in (None, Policy(PREFERRED, frozenset([0])))
    assert (os.sched_getaffinity(0), _policy()) == before


@linux
def test_a_node_that_this_machine_lacks_is_told():
    told: list[str] = []
    with Placement.of(f"{'&' * 1000}0", told.append).memory():
        pass
    assert len(told) == 1


def _policy() -> Policy | None:
    """Of this thread; None in a container that may not ask."""
    try:
        return Linux().policy()
    except OSError:
        return None
