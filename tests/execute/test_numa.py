"""The check of runtime.numa_config at the start of a job, on this machine and on one that is made up."""

from __future__ import annotations

import os

import attrs
import pytest

from mlperf_registry import Registry
from mlperf_registry.execute import numa
from mlperf_registry.execute.numa import require_numa
from mlperf_registry.schema.machine import Cpu, Machine, NumaNode
from mlperf_registry.schema.problem import ConfigError

EIGHT_CORES = Machine(
    cpu=Cpu(vendor=None, model=None, architecture="x86_64", sockets=2, cores_per_socket=4, threads_per_core=1),
    numa=(NumaNode(index=0, cpus=(0, 1, 2, 3)), NumaNode(index=1, cpus=(4, 5, 6, 7))),
)


@pytest.fixture(scope="module")
def workload():
    return Registry.load().get(system="generic_cpu", benchmark="resnet50-mini", scenario="offline")


def bound(workload, string):
    return attrs.evolve(workload, runtime=attrs.evolve(workload.runtime, numa_config=string))


@pytest.fixture
def eight_cores(monkeypatch):
    """Of which this process may use six."""
    monkeypatch.setattr(numa, "detect", lambda: EIGHT_CORES)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)


@pytest.mark.parametrize("string", ["0-3", "0-3&4-5", "&4"])
def test_a_string_that_fits_is_no_problem(workload, eight_cores, string):
    require_numa(bound(workload, string))


@pytest.mark.parametrize("string", [None, "", "&"])
def test_without_a_binding_nothing_is_wrong(workload, eight_cores, string):
    require_numa(bound(workload, string))


def test_every_core_that_cannot_be_had_is_said_with_the_machines_own_string(workload, eight_cores):
    with pytest.raises(ConfigError) as caught:
        require_numa(bound(workload, "0-3,9&3-7"))
    said = [problem.message for problem in caught.value.problems]
    assert said == [
        "names core 9, and this machine has cores 0-7",
        "gives core 3 to the nodes 0 and 1",
        "names the cores 6-7, and this process may run on 0-5 only",
    ]
    assert caught.value.problems[0].hint == "this machine's own is '0-3&4-7'"


def test_this_machine_has_its_own_cores(workload):
    own = ",".join(str(core) for core in sorted(getattr(os, "sched_getaffinity", lambda _: {0})(0)))
    require_numa(bound(workload, own))
    with pytest.raises(ConfigError):
        require_numa(bound(workload, "9999"))
