"""A runner on simulated GPUs, behind the harness's own queue and batcher."""

from __future__ import annotations

import threading

import attrs
import numpy as np
import pytest
from case import make_run, make_workload
from samples_and_sink import FIRST, TOTAL, Numbers
from simulated_gpu import SimulatedGpu, SimulatedPlan, answer

from harness.backends.tensorrt.runner import TensorRTRunner
from harness.loadgen.qsl import QSL
from mlperf_registry.schema.backends.tensorrt import TensorRTOptions
from mlperf_registry.schema.sections import Backend


class Recorded:
    """A Sink that keeps what it is told."""

    def __init__(self):
        self.outputs, self.failed, self.order, self.threads = {}, {}, [], set()
        self.lock = threading.Lock()

    def complete(self, ids, outputs, token_counts=None):
        with self.lock:
            self.threads.add(threading.current_thread().name)
            self.order.append(ids.tolist())
            for number, row in zip(ids.tolist(), outputs.tolist(), strict=True):
                assert number not in self.outputs
                self.outputs[number] = row

    def fail(self, ids, reason):
        with self.lock:
            self.failed.update(dict.fromkeys(ids.tolist(), reason))


class Bench:
    """An open runner."""

    def __init__(self, gpus, plans, runner, qsl, sink, run):
        self.gpus, self.plans, self.runner, self.qsl, self.sink, self.run = gpus, plans, runner, qsl, sink, run
        self.issued = 0
        self.used = []
        """GPUs that the runner has opened."""

    @property
    def gpu(self):
        return self.gpus[0]

    @property
    def plan(self):
        return self.plans[0]

    def submit(self, indices):
        """One batch; returns its ids."""
        ids = np.arange(self.issued, self.issued + len(indices))
        self.issued += len(indices)
        self.runner.submit(ids, np.asarray(indices, np.int64))
        return ids

    def answers(self, indices):
        """What samples must be answered."""
        return answer(FIRST + np.asarray(indices)).tolist()


@pytest.fixture
def bench():
    """Open a runner: ``scenario``, ``runtime`` and ``batch_size`` as in a config, the rest of GPU and plan."""
    opened = []

    def open_bench(
        scenario="Offline",
        *,
        runtime=None,
        gpus=1,
        batch_size=16,
        gpu=None,
        plan=None,
        gather="auto",
        load=True,
        each=None,
        width=2,
        sink=None,
        builder=None,
    ):
        runtime = {"gpu_indices": tuple(range(gpus)), **(runtime or {})}
        made_gpus = [
            SimulatedGpu(number, **{**(gpu or {}), **((each or {}).get(number, {}))}) for number in range(gpus)
        ]
        made_plans = [
            SimulatedPlan(one, **{"max_batch": batch_size, "row": (width,), **(plan or {})}) for one in made_gpus
        ]
        run = make_run(
            {
                "folder": "/nowhere",
                "test": "performance",
                "settings": {"scenario": scenario, "offline_expected_qps": 1.0},
            }
        )
        workload = make_workload(scenario, batch_size=batch_size, runtime=runtime)
        backend = Backend(name="tensorrt", device="gpu", options=TensorRTOptions(gather=gather))
        built = attrs.evolve(workload.builder, **(builder or {}))
        run = attrs.evolve(run, workload=attrs.evolve(workload, backend=backend, builder=built))

        def open_gpu(run, number):
            made_gpus[number].attach()
            made.used.append(made_gpus[number])
            return made_gpus[number], made_plans[number]

        runner = TensorRTRunner(open_gpu)
        sink = sink or Recorded()
        qsl = QSL(Numbers(width), 0)
        made = Bench(made_gpus, made_plans, runner, qsl, sink, run)
        opened.append(made)
        runner.open(run, qsl, sink)
        if load:
            qsl.load(range(TOTAL))
            for one in made_gpus:
                one.spans.clear()
            for one in made_plans:
                one.executed.clear()
                one.addresses.clear()
        return made

    yield open_bench
    for made in opened:
        made.runner.close()
        assert all(gpu.closed for gpu in made.used)
        assert all(gpu.dead or not gpu.samples_left for gpu in made.used)
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("gpu")]
