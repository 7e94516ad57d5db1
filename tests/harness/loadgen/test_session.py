"""Samples come into memory on the nodes of runtime.numa_config, and a kernel that refuses is told of."""

from __future__ import annotations

import errno
import json
import os
import sys

import pytest
from case import make_run
from simulated import SimulatedDataset, SimulatedRunner

from harness.loadgen.events import Events
from harness.loadgen.session import open_session
from harness.numa import Linux, Policy

FREE = Policy(0, frozenset())


class Kernel(Linux):
    """Node 0 and node 1, whatever this machine has."""

    now = FREE

    def policy(self):
        return Kernel.now

    def set_policy(self, policy):
        Kernel.now = policy


class Refusing(Kernel):
    def policy(self):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


class Watched(SimulatedDataset):
    def load(self, indices):
        self.policy = Kernel.now
        return super().load(indices)


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """Load samples for a run with a NUMA string on a kernel; returns the policy meanwhile, and the notes."""

    def load(numa_config, kernel):
        monkeypatch.setattr("harness.numa.Linux", kernel)
        reader, writer = os.pipe()
        settings = {"scenario": "Offline", "offline_expected_qps": 1000.0}
        run = make_run(
            {
                "folder": str(tmp_path),
                "test": "performance",
                "settings": settings,
                "runtime": {"numa_config": numa_config},
            }
        )
        dataset = Watched()
        with os.fdopen(reader) as lines, os.fdopen(writer, "w") as events:
            session = open_session(
                run, run.tests["performance"].settings, Events(events.fileno()), dataset, SimulatedRunner()
            )
            with session.samples_loaded():
                pass
            session.close()
            events.close()
            told = [json.loads(line) for line in lines]
        return dataset.policy, [event["message"] for event in told if event["event"] == "note"]

    return load


@pytest.mark.parametrize(
    ("string", "policy"),
    [(None, FREE), ("&0-3", Policy(1, frozenset([1]))), ("0-1:0-3&2-3:4-7", Policy(3, frozenset([0, 1])))],
    ids=["nowhere", "one-node", "two-nodes"],
)
def test_samples_lie_on_the_nodes_that_the_string_names(loaded, string, policy):
    assert loaded(string, Kernel) == (policy, [])
    assert Kernel.now == FREE


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse for a reason of their own")
def test_a_kernel_that_refuses_is_told_of_and_samples_are_loaded_all_the_same(loaded):
    policy, (note,) = loaded("0-1", Refusing)
    assert policy == FREE
    assert "place memory" in note
