"""What our SUT costs: Offline against two bare SUTs, Server at a high rate, and added latency in SingleStream.

The engine answers at once, so all time measured is LoadGen's and ours. Every measurement has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.measure import entry, interleaved
from harness.benchmarks.dataset import Ragged
from harness.loadgen.binding import loadgen
from harness.loadgen.child import expected_samples, play
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ids, Indices, Sink
from harness.loadgen.session import ONE_QUERY_AT_A_TIME
from harness.loadgen.settings import make_log_settings, make_test_settings
from harness.loadgen.sut import SUT, Answers
from mlperf_registry.schema.plan import LoadGenScenario, LoadGenSettings
from mlperf_registry.schema.run import LoadGenTest, Run

BATCH = 1024
SAMPLES = 1024
OFFLINE_COUNT = 500_000
SERVER_QPS = 20_000.0
SERVER_LIMIT_NS = 15_000_000
SERVER_SECONDS = 10
SERVER_RUNS = 3
SINGLE_SECONDS = 2

Contender = Literal["ours", "queued", "threaded", "inline"]
"""Our SUT as a session makes it for the scenario; ours with its queue and batcher in any scenario; two bare SUTs."""


class ArrayDataset:
    """One number a sample."""

    def __len__(self) -> int:
        return SAMPLES

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic] | Ragged]:
        return {"input": indices}


class InstantRunner:
    """An engine that takes no time: completes a batch within ``submit``."""

    batching: ClassVar[Literal["harness", "engine"]] = "harness"
    depth: ClassVar[int] = 1

    def open(self, run: Run | None, qsl: QSL, sink: Sink) -> None:
        self._sink = sink
        self._output = np.zeros((BATCH, 1), np.int64)

    def submit(self, ids: Ids, indices: Indices) -> None:
        self._sink.complete(ids, self._output[: len(ids)])

    def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


def settings(scenario: LoadGenScenario) -> LoadGenSettings:
    """Short runs; the seeds are those of round v6.1."""
    return LoadGenSettings(
        scenario=scenario,
        offline_expected_qps=1.0,
        server_target_qps=SERVER_QPS,
        server_target_latency_ns=SERVER_LIMIT_NS,
        single_stream_expected_latency_ns=2_000,
        min_duration_ms=1000 * {"Server": SERVER_SECONDS, "SingleStream": SINGLE_SECONDS}.get(scenario, 0),
        min_query_count=OFFLINE_COUNT if scenario == "Offline" else 100,
        qsl_rng_seed=2085463073848966840,
        sample_index_rng_seed=2747215439041700203,
        schedule_rng_seed=16159082839903944936,
        performance_sample_count_override=SAMPLES,
    )


def play_ours(test: LoadGenTest, folder: Path, *, queued: bool) -> None:
    """The harness's SUT."""
    qsl, runner = QSL(ArrayDataset(), SAMPLES), InstantRunner()
    sut = SUT(
        runner,
        batch_size=BATCH,
        direct=test.settings.scenario in ONE_QUERY_AT_A_TIME and not queued,
        answers=Answers.to_loadgen(),
    )
    runner.open(None, qsl, sut)
    sut.restart(Answers.to_loadgen(), expected_samples(test, SAMPLES))
    play(sut, qsl, test, folder)
    sut.stop()
    assert not sut.failures, sut.failures
    assert sut.samples.completed == sut.samples.issued >= test.settings.min_query_count


def play_reference(test: LoadGenTest, folder: Path, *, threaded: bool) -> None:
    """What one writes with LoadGen's documentation at hand: no checks, no record of samples."""
    lg = loadgen()
    output = array("q", [0])
    address, size = output.buffer_info()[0], output.itemsize

    def answer(samples: list[Any]) -> None:
        for first in range(0, len(samples), BATCH):
            part = samples[first : first + BATCH]
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, address, size) for sample in part])

    queue: SimpleQueue[list[Any] | None] = SimpleQueue()

    def work() -> None:
        while (samples := queue.get()) is not None:
            answer(samples)

    worker = Thread(target=work)
    worker.start()
    qsl = lg.ConstructQSL(SAMPLES, SAMPLES, lambda indices: None, lambda indices: None)
    sut = lg.ConstructSUT(queue.put if threaded else answer, lambda: None)
    log_settings = make_log_settings(folder, enable_trace=False)
    lg.StartTestWithLogSettings(sut, qsl, make_test_settings(test.settings, test.mode), log_settings, "no-audit.config")
    queue.put(None)
    worker.join()
    lg.DestroySUT(sut)
    lg.DestroyQSL(qsl)


def measure_here(contender: Contender, scenario: LoadGenScenario) -> dict[str, Any]:
    """One LoadGen run in this process; LoadGen's results by key."""
    test = LoadGenTest(mode="PerformanceOnly", settings=settings(scenario), log_dir=".")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if contender in ("ours", "queued"):
            play_ours(test, folder, queued=contender == "queued")
        else:
            play_reference(test, folder, threaded=contender == "threaded")
        detail = (folder / "mlperf_log_detail.txt").read_text(encoding="utf-8")
    lines = [json.loads(line.removeprefix(":::MLLOG ")) for line in detail.splitlines()]
    return {line["key"]: line["value"] for line in lines if line["key"].startswith("result_")}


def results(contender: Contender, scenario: LoadGenScenario) -> dict[str, Any]:
    """One LoadGen run in a fresh process; LoadGen's results by key."""
    command = [sys.executable, "-m", "bench.harness", "--one", contender, scenario]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def offline_rate(contender: Contender) -> float:
    """Samples per second in Offline."""
    return float(results(contender, "Offline")["result_samples_per_second"])


def added_latency_us(contender: Contender) -> float:
    """Mean latency in SingleStream, all of it added: the engine takes no time."""
    return float(results(contender, "SingleStream")["result_mean_latency_ns"]) / 1000


def measure(pairs: int = 7) -> dict[str, Any]:
    """Entries of bench.json."""
    threaded = interleaved(lambda: offline_rate("ours"), lambda: offline_rate("threaded"), pairs)
    inline = interleaved(lambda: offline_rate("ours"), lambda: offline_rate("inline"), pairs)
    single = interleaved(lambda: added_latency_us("ours"), lambda: added_latency_us("queued"), pairs)
    server = [results("ours", "Server") for _ in range(SERVER_RUNS)]
    return {
        "harness_offline_over_threaded": entry(threaded.ratios, "ratio"),
        "harness_offline_over_inline": entry(inline.ratios, "ratio"),
        "harness_offline": entry(threaded.first + inline.first, "samples/s"),
        "harness_offline_threaded": entry(threaded.second, "samples/s"),
        "harness_offline_inline": entry(inline.second, "samples/s"),
        "harness_singlestream_added": entry(single.first, "us"),
        "harness_singlestream_added_queued": entry(single.second, "us"),
        "harness_server_valid": entry(tuple(float(run["result_validity"] == "VALID") for run in server), "runs valid"),
        "harness_server_p99": entry(tuple(run["result_99.00_percentile_latency_ns"] / 1e6 for run in server), "ms"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "SCENARIO"), help="one measurement in this process")
    one = parser.parse_args().one
    print(json.dumps(measure(), indent=1) if one is None else json.dumps(measure_here(*one)))


if __name__ == "__main__":
    main()
