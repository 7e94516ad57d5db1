"""Queries of one scenario against streams laid out for another: none is larger than its runner's batches allow."""

from __future__ import annotations

import ctypes
import json
import os

import attrs
import numpy as np
import pytest
from case import make_run, make_workload
from samples_and_sink import TOTAL, Forward, Numbers
from simulated_gpu import SimulatedGpu, SimulatedPlan

from harness.backends.tensorrt.runner import TensorRTRunner
from harness.loadgen import probe
from harness.loadgen.events import Events
from harness.loadgen.supervise import Watch
from harness.loadgen.sut import SUT, Answers
from mlperf_registry.schema.backends.tensorrt import TensorRTOptions
from mlperf_registry.schema.sections import Backend

GRAPHS = pytest.mark.parametrize("graphs", [False, True], ids=["no-graphs", "graphs"])


@GRAPHS
@pytest.mark.parametrize(
    ("scenario", "batch_size", "max_batch"),
    [("SingleStream", 1, 1), ("SingleStream", 3, 3), ("MultiStream", 8, 8), ("MultiStream", 3, 8)],
)
def test_queries_of_any_size_are_answered_sample_by_sample(bench, scenario, batch_size, max_batch, graphs):
    sink = Forward()
    made = bench(
        scenario,
        batch_size=batch_size,
        runtime={"use_graphs": graphs},
        gpu={"kernel_ns": 1},
        plan={"max_batch": max_batch},
        sink=sink,
    )
    answered = {}

    def take(responses):
        answered.update({one.id: ctypes.string_at(one.data, one.size) for one in responses})

    sink.sut = sut = SUT(made.runner, batch_size=batch_size, direct=True, answers=Answers(take, take))
    sut.restart(Answers(take, take), 0)
    issued = 0
    for count in (1, 8, 3, 20):
        indices = [(5 * number) % TOTAL for number in range(count)]
        sut.issue(list(range(issued, issued + count)), indices)
        rows = [np.array(row, np.int64).tobytes() for row in made.answers(indices)]
        assert [answered[issued + number] for number in range(count)] == rows
        issued += count
    assert not sut.failures and sut.broken is None
    assert sut.samples.completed == issued
    assert max(made.plan.executed) <= batch_size


@GRAPHS
@pytest.mark.parametrize("on_device", [False, True], ids=["pinned", "on-device"])
def test_one_gpu_of_two_answers_single_queries_whenever_samples_are_loaded(bench, graphs, on_device):
    made = bench(
        "SingleStream",
        gpus=2,
        batch_size=1,
        runtime={"use_graphs": graphs, "start_from_device": on_device},
        gpu={"kernel_ns": 1},
        gather="graph" if graphs else "auto",
    )
    immediate = made.runner.immediate
    for _ in range(3):
        for index in (5, 63, 5):
            immediate.begin([index])
            assert immediate.end().tolist() == made.answers([index])
        made.qsl.unload(range(TOTAL))
        made.qsl.load(range(TOTAL)[::-1])
    assert made.used == [made.gpu], "nothing is opened where nothing will be asked"


@GRAPHS
@pytest.mark.parametrize(("scenario", "batch_size"), [("SingleStream", 1), ("MultiStream", 4), ("MultiStream", 8)])
def test_a_probe_issues_queries_of_multistream_whatever_the_batch(monkeypatch, scenario, batch_size, graphs):
    monkeypatch.setattr(probe, "RATE_SECONDS", 0.01)
    monkeypatch.setattr(probe, "LATENCY_SECONDS", 0.01)
    case = {"folder": "/nowhere", "test": "performance", "settings": {"scenario": scenario}}
    workload = make_workload(
        scenario,
        batch_size=batch_size,
        runtime={"use_graphs": graphs, "use_spin_wait": True, "warmup_duration": 20, "gpu_indices": (0,)},
    )
    backend = Backend(name="tensorrt", device="gpu", options=TensorRTOptions(gather="auto"))
    run = attrs.evolve(make_run(case), workload=attrs.evolve(workload, backend=backend))
    gpu = SimulatedGpu(0, kernel_ns=1)
    plan = SimulatedPlan(gpu, max_batch=batch_size)
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines:
        with os.fdopen(writer, "w") as pipe:
            events = Events(pipe.fileno())
            runner = TensorRTRunner(lambda run, number: (gpu, plan))
            probe.probe(run, events, Watch(events), dataset=Numbers(), runner=runner)
        (found,) = (event for event in map(json.loads, lines) if event["event"] == "probe")
    assert found["latency_ns"] > 0
    assert found["multi_stream_latency_ns"] > 0
    assert gpu.closed
