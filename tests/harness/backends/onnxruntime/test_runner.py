"""The runner for ONNX Runtime against a QSL and a sink of the test's own: every sample once, with its own answer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from harness.backends.onnxruntime.runner import Layout, OnnxRuntimeRunner, share_cores
from harness.benchmarks.dataset import Ragged
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ids, Runner
from mlperf_registry import Registry
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import NotReady, RunFailed
from mlperf_registry.schema.run import RUN_SCHEMA, Run
from mlperf_registry.schema.workload import Workload

SAMPLES = 200
CLASSES = 8


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``label`` is the place of the largest of eight numbers, ``largest`` that number."""
    graph = helper.make_graph(
        [
            helper.make_node("ArgMax", ["input"], ["label"], axis=1, keepdims=0),
            helper.make_node("ReduceMax", ["input"], ["largest"], axes=[1], keepdims=0),
        ],
        "largest",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", CLASSES])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info("largest", TensorProto.FLOAT, ["N"]),
        ],
    )
    path = tmp_path_factory.mktemp("engine") / "engine.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@attrs.define
class Numbers:
    """Sample i has its largest number at place ``i * 5 % 8``."""

    columns: tuple[str, ...] = ("image",)
    width: int = CLASSES

    def __len__(self) -> int:
        return SAMPLES

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic] | Ragged]:
        values = np.zeros((len(indices), self.width), np.float32)
        values[np.arange(len(indices)), indices * 5 % self.width] = 1 + indices
        return dict.fromkeys(self.columns, values)


class Recorder:
    """A Sink that remembers."""

    def __init__(self) -> None:
        self.outputs: dict[int, bytes] = {}
        self.failed: dict[int, str] = {}
        self.repeated: list[int] = []
        self.threads: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        self._lock = threading.Lock()

    def complete(self, ids: Ids, outputs: object, token_counts: object = None) -> None:
        assert isinstance(outputs, np.ndarray)
        assert outputs.flags.c_contiguous
        assert len(outputs) == len(ids)
        self.hold.wait()
        with self._lock:
            self.threads.add(threading.current_thread().name)
            for id_, row in zip(ids.tolist(), outputs, strict=True):
                if id_ in self.outputs:
                    self.repeated.append(id_)
                self.outputs[id_] = row.tobytes()

    def first_token(self, ids: Ids, tokens: object) -> None:
        raise AssertionError("no tokens here")

    def fail(self, ids: Ids, reason: str) -> None:
        with self._lock:
            self.failed.update(dict.fromkeys(ids.tolist(), reason))


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Registry.load().get(
        system="generic_cpu", benchmark="resnet50-mini", scenario="offline", backend="onnxruntime"
    )


def make_run(
    workload: Workload, engine: Path, *, instances: int | None = 2, batch: int = 16, output: str = "label"
) -> Run:
    workload = attrs.evolve(
        workload,
        builder=attrs.evolve(workload.builder, gpu_batch_size=PerComponent({"resnet50": batch})),
        runtime=attrs.evolve(workload.runtime, gpu_inference_streams=instances),
        model=attrs.evolve(workload.model, output_name=output),
        backend=attrs.evolve(workload.backend, options=attrs.evolve(workload.backend.options, intra_op_threads=1)),
    )
    made = Engine(key="k", path=str(engine.parent), file=engine.name, sha256="", reused=False, why="")
    return Run(
        schema=RUN_SCHEMA,
        run_id="r",
        workload=workload,
        config_digest="",
        engine=made,
        tests={},
        scratch=None,
        folder=str(engine.parent),
    )


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
def runner() -> Iterator[OnnxRuntimeRunner]:
    made = OnnxRuntimeRunner()
    yield made
    made.close()


def loaded(dataset: Numbers | None = None) -> QSL:
    qsl = QSL(dataset or Numbers(), 0)
    qsl.load(range(SAMPLES))
    return qsl


def submit_all(runner: Runner, indices: npt.NDArray[np.int64], batch: int) -> None:
    for first in range(0, len(indices), batch):
        part = indices[first : first + batch]
        runner.submit(np.arange(first, first + len(part)), part)


@pytest.mark.parametrize("instances", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 7, 16])
def test_each_sample_gets_its_own_answer_once(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder, instances: int, batch: int
) -> None:
    runner.open(make_run(workload, engine, instances=instances), loaded(), sink)
    indices = np.random.default_rng(batch).integers(0, SAMPLES, 500)
    submit_all(runner, indices, batch)
    runner.drain()
    assert sink.outputs == {id_: np.int64(index * 5 % CLASSES).tobytes() for id_, index in enumerate(indices.tolist())}
    assert not sink.repeated
    assert not sink.failed
    assert sink.threads <= {f"onnxruntime-{number}" for number in range(instances)}
    assert runner.depth == 2 * instances


def test_samples_may_be_loaded_after_open_and_anew(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    qsl = QSL(Numbers(), 10)
    runner.open(make_run(workload, engine), qsl, sink)
    for first in (0, 50):
        qsl.load(range(first, first + 10))
        runner.submit(np.array([first]), np.array([first + 3]))
        runner.drain()
        qsl.unload(range(first, first + 10))
    assert sink.outputs == {first: np.int64((first + 3) * 5 % CLASSES).tobytes() for first in (0, 50)}


def test_only_the_named_output_is_reported(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    runner.open(make_run(workload, engine, output="largest"), loaded(), sink)
    runner.submit(np.array([0]), np.array([41]))
    runner.drain()
    assert sink.outputs == {0: np.float32(42).tobytes()}


def test_submit_waits_while_enough_batches_are_in_flight(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    sink.hold.clear()
    runner.open(make_run(workload, engine, instances=2), loaded(), sink)
    submitted: list[int] = []

    def submit() -> None:
        for number in range(12):
            runner.submit(np.array([number]), np.array([number]))
            submitted.append(number)

    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    time.sleep(0.2)
    assert len(submitted) == 4  # two in work, one waiting for each
    sink.hold.set()
    thread.join(timeout=5)
    runner.drain()
    assert len(sink.outputs) == 12


def test_a_failed_batch_is_reported_and_the_next_one_executed(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    qsl = QSL(Numbers(), 10)
    qsl.load(range(10))
    runner.open(make_run(workload, engine), qsl, sink)
    runner.submit(np.array([0, 1]), np.array([3, 99]))
    runner.submit(np.array([2, 3]), np.array([4, 5]))
    runner.drain()
    assert set(sink.failed) == {0, 1}
    assert "sample 99 is not loaded" in sink.failed[0]
    assert set(sink.outputs) == {2, 3}


def test_onnxruntimes_own_errors_are_told(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    class Scalars(Numbers):
        def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic] | Ragged]:
            return {"image": np.zeros(len(indices), np.float32)}

    runner.open(make_run(workload, engine), loaded(Scalars()), sink)
    runner.submit(np.array([0]), np.array([0]))
    runner.drain()
    assert "ONNX Runtime did not execute a batch" in sink.failed[0]


def test_columns_that_are_not_the_engines_inputs(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    runner.open(make_run(workload, engine), loaded(Numbers(("image", "mask"))), sink)
    runner.submit(np.array([0]), np.array([0]))
    runner.drain()
    assert "image, mask, and the engine takes input" in sink.failed[0]


def test_an_output_that_the_model_lacks(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    with pytest.raises(RunFailed, match=r"model\.output_name is 'labels', and the model has label, largest"):
        runner.open(make_run(workload, engine, output="labels"), loaded(), sink)


def test_a_missing_and_a_damaged_engine(
    workload: Workload, tmp_path: Path, runner: OnnxRuntimeRunner, sink: Recorder
) -> None:
    path = tmp_path / "engine.onnx"
    with pytest.raises(NotReady, match="mlperf build"):
        runner.open(make_run(workload, path), loaded(), sink)
    path.write_bytes(b"\x08\x08 damaged")
    with pytest.raises(RunFailed, match="cannot load the engine"):
        runner.open(make_run(workload, path), loaded(), sink)


def test_closing_ends_the_threads(workload: Workload, engine: Path, sink: Recorder) -> None:
    runner = OnnxRuntimeRunner()
    before = threading.active_count()
    runner.open(make_run(workload, engine, instances=3), loaded(), sink)
    assert threading.active_count() == before + 3
    runner.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("cores", "instances", "threads", "scenario", "layout"),
    [
        ([8], None, 0, "Offline", Layout((0,) * 8, 1)),
        ([8], None, 0, "Server", Layout((0,) * 8, 1)),
        ([8], None, 0, "SingleStream", Layout((0,), 8)),
        ([8], None, 0, "MultiStream", Layout((0,), 8)),
        ([8], None, 3, "Offline", Layout((0,) * 2, 3)),
        ([2], None, 4, "Offline", Layout((0,), 4)),
        ([8], 2, 0, "Offline", Layout((0,) * 2, 4)),
        ([8], 2, 0, "SingleStream", Layout((0,) * 2, 4)),
        ([2], 4, 0, "Offline", Layout((0,) * 4, 1)),
        ([8], 3, 2, "Server", Layout((0,) * 3, 2)),
        ([2, 2], None, 0, "Offline", Layout((0, 1, 0, 1), 1)),
        ([8, 8], None, 3, "Offline", Layout((0, 1, 0, 1), 3)),
        ([1, 3], None, 0, "Offline", Layout((1, 1, 0, 1), 1)),
        ([8, 8], 3, 0, "Offline", Layout((0, 1, 0), 4)),
        ([4, 8], None, 0, "SingleStream", Layout((1,), 8)),
    ],
)
def test_cores_are_shared_out(
    cores: list[int], instances: int | None, threads: int, scenario: str, layout: Layout
) -> None:
    assert share_cores(cores, instances, threads, scenario) == layout  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads are bound to cores on Linux only")
@pytest.mark.parametrize("threads", [1, 2])
def test_instances_stay_on_the_cores_of_their_node(
    workload: Workload, engine: Path, runner: OnnxRuntimeRunner, sink: Recorder, threads: int
) -> None:
    free = os.sched_getaffinity(0)
    core = min(free)
    run = make_run(workload, engine)
    run = attrs.evolve(
        run,
        workload=attrs.evolve(
            run.workload,
            runtime=attrs.evolve(run.workload.runtime, numa_config=f"&{core}"),
            backend=attrs.evolve(
                run.workload.backend, options=attrs.evolve(run.workload.backend.options, intra_op_threads=threads)
            ),
        ),
    )
    before = _threads()
    runner.open(run, loaded(), sink)
    # ONNX Runtime starts the threads of a session beyond the first itself.
    started = _threads() - before
    assert len(started) == 2 * threads
    submit_all(runner, np.arange(SAMPLES), 16)
    runner.drain()
    deadline = time.monotonic() + 5
    while any(os.sched_getaffinity(thread) != {core} for thread in started):
        assert time.monotonic() < deadline, "a thread is not bound"
        time.sleep(0.01)
    assert os.sched_getaffinity(0) == free
    assert len(sink.outputs) == SAMPLES


def _threads() -> set[int]:
    """This process's, as Linux numbers them."""
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}
