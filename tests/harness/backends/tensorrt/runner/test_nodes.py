"""NUMA nodes: what is done for a GPU is done on its node, memory and threads alike, and others are left alone."""

from __future__ import annotations

import threading
from collections import defaultdict

import pytest
from simulated_gpu import MS, SimulatedGpu

from harness.numa import Policy

TWO_NODES = "0:0-3&1:4-7"
FREE = frozenset(range(8)), Policy(0, frozenset())


class TwoNodes:
    """A kernel with four cores on each of two nodes, which keeps to what it is told, thread by thread."""

    def __init__(self):
        self._of = threading.local()

    def affinity(self):
        return getattr(self._of, "cores", FREE[0])

    def set_affinity(self, cores):
        self._of.cores = frozenset(cores)

    def policy(self):
        return getattr(self._of, "policy", FREE[1])

    def set_policy(self, policy):
        self._of.policy = policy

    @property
    def state(self):
        return self.affinity(), self.policy()


def on(node):
    return frozenset(range(4 * node, 4 * node + 4)), Policy(1, frozenset([node]))


@pytest.fixture
def kernel(monkeypatch):
    made = TwoNodes()
    monkeypatch.setattr("harness.numa.Linux", lambda: made)
    return made


@pytest.fixture
def seen(kernel, monkeypatch):
    """By GPU and what is asked of it: where the asking threads ran, and with what memory."""
    states = defaultdict(set)

    def watch(name):
        work = getattr(SimulatedGpu, name)

        def watched(gpu, *arguments):
            states[gpu.number, name].add(kernel.state)
            return work(gpu, *arguments)

        monkeypatch.setattr(SimulatedGpu, name, watched)

    for name in ("pinned", "run", "wait"):
        watch(name)
    return states


def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_each_gpu_of_two_is_fed_and_waited_for_on_its_node(bench, kernel, seen):
    made = bench(gpus=2, runtime={"numa_config": TWO_NODES, "complete_threads": 2}, gpu={"execute_ns": MS})
    assert [seen[gpu, "pinned"] for gpu in (0, 1)] == [{on(0)}, {on(1)}]
    seen.clear()
    states = []

    def submit():
        for _ in range(20):
            made.submit(range(16))
        states.append(kernel.state)

    in_a_thread(submit)
    made.runner.drain()
    assert all(plan.executed for plan in made.plans)
    assert {key: ran for key, ran in seen.items() if key[1] != "pinned"} == {
        (gpu, name): {on(gpu)} for gpu in (0, 1) for name in ("run", "wait")
    }
    assert states == [FREE], "who submits to both is near neither"
    assert kernel.state == FREE


def test_who_submits_to_an_only_gpu_comes_to_its_node(bench, kernel, seen):
    made = bench(runtime={"numa_config": "1:0-3&0:4-7"})
    seen.clear()
    in_a_thread(lambda: made.submit([1, 2]))
    made.runner.drain()
    assert seen == {(0, "run"): {on(1)}, (0, "wait"): {on(1)}}
    assert kernel.state == FREE


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream"])
def test_who_asks_one_query_at_a_time_comes_to_the_gpus_node(bench, kernel, seen, scenario):
    made = bench(scenario, batch_size=8, runtime={"numa_config": "1:0-3&0:4-7"})
    seen.clear()
    in_a_thread(lambda: made.submit([1, 2]))
    assert seen == {(0, "run"): {on(1)}, (0, "wait"): {on(1)}}
    assert kernel.state == FREE


def test_a_gpu_that_the_string_does_not_name_is_left_where_it_is(bench, seen):
    made = bench(gpus=2, runtime={"numa_config": "0:0-3&4-7"})
    made.submit([1])
    made.submit([1])
    made.runner.drain()
    assert seen[0, "pinned"] == {on(0)}
    assert {state for (gpu, _), states in seen.items() if gpu == 1 for state in states} == {FREE}
