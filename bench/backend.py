"""What LoadGen and our harness cost over ONNX Runtime alone: resnet50-mini, Offline, at the bare loop's best layout.

Both execute the same images in the same batches on as many instances and threads, each time in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import onnxruntime

from bench.measure import entry, interleaved
from harness.benchmarks.resnet50.data import open_images
from harness.cores import usable_cores
from mlperf_registry import Registry
from mlperf_registry.execute.engine import build
from mlperf_registry.execute.job import execute
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.workload import Workload

BENCHMARK = "resnet50-mini"
BATCHES = (8, 16, 32, 64, 128, 256)
SEARCH_SECONDS = 0.3
SEARCH_ROUNDS = 3
WARMUP_SECONDS = 1.0
RUN_SECONDS = 5.0


@attrs.frozen
class Setup:
    """What decides ONNX Runtime's rate."""

    batch: int
    instances: int
    threads: int

    @property
    def overrides(self) -> list[str]:
        """The same for our harness."""
        return [
            f"builder.gpu_batch_size={self.batch}",
            f"runtime.gpu_inference_streams={self.instances}",
            f"backend.options.intra_op_threads={self.threads}",
        ]


def workload(*overrides: str) -> Workload:
    """The cell that is measured."""
    cell = {"system": "generic_cpu", "benchmark": BENCHMARK, "scenario": "offline", "backend": "onnxruntime"}
    return Registry.load().get(**cell, overrides=list(overrides))


def all_images(mini: Workload) -> npt.NDArray[np.generic]:
    """The whole data set, prepared."""
    dataset = open_images(mini.data, mini.benchmark.options, None)
    return np.ascontiguousarray(dataset.load(np.arange(len(dataset)))["image"])


class Bare:
    """Sessions of ONNX Runtime, one for each instance, that execute prepared batches and nothing else."""

    def __init__(self, setup: Setup, mini: Workload, images: npt.NDArray[np.generic]) -> None:
        whole = len(images) // setup.batch * setup.batch
        self._batches = np.split(images[:whole], whole // setup.batch)
        self._input, self._output = mini.model.input_name, mini.model.output_name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = setup.threads
        model = str(resolve_path(mini.model.path, None, source=mini.model.source))
        self._sessions = [
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for _ in range(setup.instances)
        ]

    def rate(self, seconds: float) -> float:
        """Images per second over about ``seconds``."""
        done: list[int] = []
        start = Barrier(len(self._sessions) + 1)

        def loop(session: onnxruntime.InferenceSession) -> None:
            start.wait()
            end, count = time.perf_counter() + seconds, 0
            while time.perf_counter() < end:
                session.run([self._output], {self._input: self._batches[count % len(self._batches)]})
                count += 1
            done.append(count * len(self._batches[0]))

        threads = [Thread(target=loop, args=(session,)) for session in self._sessions]
        for thread in threads:
            thread.start()
        start.wait()
        begun = time.perf_counter()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - begun)


def best_setup() -> Setup:
    """The setup with the highest bare rate in any of some rounds: one instance with all cores, or one for each core."""
    cores = usable_cores()
    layouts = dict.fromkeys(((1, cores), (cores, 1)))
    setups = [Setup(batch, instances, threads) for batch in BATCHES for instances, threads in layouts]
    mini = workload()
    images = all_images(mini)
    loops = [Bare(setup, mini, images) for setup in setups]
    rounds = [[loop.rate(SEARCH_SECONDS) for loop in loops] for _ in range(SEARCH_ROUNDS)]
    return setups[int(np.argmax(np.max(rounds, axis=0)))]


def bare_rate(setup: Setup) -> float:
    """Images per second of the bare loop, in a fresh process."""
    figures = [str(figure) for figure in attrs.astuple(setup)]
    command = [sys.executable, "-m", "bench.backend", "--bare", *figures]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return float(done.stdout.splitlines()[-1])


def harness_rate(setup: Setup, build_dir: Path, expected: float) -> float:
    """Samples per second that LoadGen reports of a valid run in the harness's child process."""
    # LoadGen makes one query of rate times duration and calls a run invalid that ends before it. A short duration at a
    # high rate gives the same query and leaves room for a machine that is faster now than it was when asked.
    fixed = ["loadgen.test_mode=PerformanceOnly", "loadgen.min_duration=1s"]
    ours = workload(*setup.overrides, *fixed, f"loadgen.offline_expected_qps={RUN_SECONDS * expected}")
    progress = Silent()
    plan = plan_for(ours, progress)
    result = execute(ours, plan, build(ours, build_dir, progress), build_dir, progress)
    if not result.valid:
        raise RuntimeError(f"LoadGen calls the run invalid: {result.reasons}")
    (rate,) = (metric.value for metric in result.metrics if metric.unit == "samples/s")
    return float(rate)


def measure(pairs: int = 7) -> dict[str, Any]:
    """Entries of bench.json."""
    setup = best_setup()
    print(f"bare loop's best: {setup}", file=sys.stderr)
    expected = bare_rate(setup)
    with tempfile.TemporaryDirectory() as build_dir:
        found = interleaved(lambda: harness_rate(setup, Path(build_dir), expected), lambda: bare_rate(setup), pairs)
    return {
        "backend_offline_over_bare": entry(found.ratios, "ratio"),
        "backend_offline": entry(found.first, "samples/s"),
        "backend_bare": entry(found.second, "samples/s"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--bare", nargs=3, type=int, metavar=("BATCH", "INSTANCES", "THREADS"), help="one bare loop here"
    )
    bare = parser.parse_args().bare
    if bare is None:
        print(json.dumps(measure(), indent=1))
        return
    mini = workload()
    loop = Bare(Setup(*bare), mini, all_images(mini))
    loop.rate(WARMUP_SECONDS)
    print(loop.rate(RUN_SECONDS))


if __name__ == "__main__":
    main()
