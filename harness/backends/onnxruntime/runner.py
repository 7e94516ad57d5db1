"""Executes an engine of ONNX Runtime on the CPU: instances side by side, each fed by a thread of its own.

With ``runtime.numa_config`` each stays on one NUMA node, its threads and its memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ClassVar, Literal

import attrs
import numpy as np
import numpy.typing as npt

from harness.backends.onnxruntime.library import import_onnxruntime
from harness.benchmarks.dataset import Ragged
from harness.cores import spread
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ids, Indices, Sink
from harness.numa import Placement
from mlperf_registry.schema.problem import NotReady, RunFailed
from mlperf_registry.schema.run import Run
from mlperf_registry.schema.sections import ScenarioName

_ERRORS_ONLY = 3
_LATENCY_SCENARIOS = ("SingleStream", "MultiStream")


class OnnxRuntimeRunner:
    """A Runner that the harness forms batches for."""

    batching: ClassVar[Literal["harness", "engine"]] = "harness"

    def __init__(self) -> None:
        # Batches, and permits to submit them: 50 us of CPU a batch in submit, where a bounded queue.Queue takes 70.
        self._batches: SimpleQueue[tuple[Ids, Indices] | None] = SimpleQueue()
        self._permits: SimpleQueue[None] = SimpleQueue()
        self._workers: list[threading.Thread] = []

    def open(self, run: Run, qsl: QSL, sink: Sink) -> None:
        """Load the engine and start one thread for each instance.

        Raises:
            NotReady: when onnxruntime or the engine file is absent.
            RunFailed: when the engine cannot be loaded, or lacks the input or output that the config names.
        """
        workload = run.workload
        streams, threads = workload.runtime.gpu_inference_streams, workload.backend.options.intra_op_threads
        placement = Placement.of(workload.runtime.numa_config)
        cores = [placement.cores(node) for node in placement.nodes]
        layout = share_cores(cores, streams, threads, workload.scenario.name)
        nodes = [placement.nodes[group] for group in layout.groups]
        path = Path(run.engine.path, run.engine.file)
        sessions: list[Any] = []
        for number, node in enumerate(nodes):
            # Without threads of its own a session may run in many threads at once; those of a node share its weights.
            if layout.threads == 1 and node in nodes[:number]:
                sessions.append(sessions[nodes.index(node)])
                continue
            with placement.bound(node):
                sessions.append(open_session(path, layout.threads))
        inputs, output = _tensor_names(sessions[0], workload.model.input_name, workload.model.output_name)
        for number, (node, session) in enumerate(zip(nodes, sessions, strict=True)):
            feed = _Feed(qsl, inputs, workload.builder.samples_at_once(workload.benchmark.components[0]))
            arguments = (partial(placement.bind_thread, node), session, output, feed, sink)
            worker = threading.Thread(target=self._work, args=arguments, name=f"onnxruntime-{number}", daemon=True)
            worker.start()
            self._workers.append(worker)
        for _ in range(self.depth):
            self._permits.put(None)

    @property
    def depth(self) -> int:
        """Batches in flight at most: one executed and one waiting for each instance. 0 until open."""
        return 2 * len(self._workers)

    def submit(self, ids: Ids, indices: Indices) -> None:
        """Queue one batch; blocks while ``depth`` batches are in flight."""
        self._permits.get()
        self._batches.put((ids, indices))

    def drain(self) -> None:
        """Return when every sample submitted has been reported."""
        for _ in range(self.depth):
            self._permits.get()
        for _ in range(self.depth):
            self._permits.put(None)

    def close(self) -> None:
        """End the threads, after what they hold, and free the engine with them."""
        for _ in self._workers:
            self._batches.put(None)
        for worker in self._workers:
            worker.join()
        self._workers.clear()

    def _work(self, bind: Callable[[], None], session: Any, output: str, feed: _Feed, sink: Sink) -> None:
        bind()
        while (batch := self._batches.get()) is not None:
            ids, indices = batch
            try:
                (outputs,) = session.run([output], feed.gather(indices))
            except Exception as error:  # ONNX Runtime's exceptions share no public base class
                sink.fail(ids, f"ONNX Runtime did not execute a batch: {error}")
            else:
                sink.complete(ids, outputs)
            finally:
                self._permits.put(None)


@attrs.frozen
class Layout:
    """How cores are shared out."""

    groups: tuple[int, ...]
    """Of each instance, the group of cores that it runs on; as many batches are executed at once."""
    threads: int
    """Threads that execute one batch."""


def share_cores(cores: Sequence[int], instances: int | None, threads: int, scenario: ScenarioName) -> Layout:
    """Fill in what the config leaves open.

    Where nothing is said, one instance gets all cores if a query's latency is the result, and each core has an
    instance of its own if the rate is. On two cores resnet50-mini so answers one image in 0.20 ms against 0.34, and
    executes 7.0 thousand images/s against 6.4. No instance has more threads than its group has cores for it.

    Args:
        cores: cores of each group that may be used: those of a NUMA node, or all.
        instances: ``runtime.gpu_inference_streams``.
        threads: ``backend.options.intra_op_threads``; 0 for an equal share of the cores.
        scenario: the workload's.
    """
    if instances is None:
        instances = 1 if scenario in _LATENCY_SCENARIOS else max(1, sum(count // max(1, threads) for count in cores))
    groups = spread(instances, cores)
    return Layout(groups, threads or max(1, min(cores[group] // groups.count(group) for group in groups)))


def open_session(engine: Path, threads: int) -> Any:
    """An InferenceSession that executes the graph as the builder left it.

    Raises:
        NotReady: when onnxruntime or the engine file is absent.
        RunFailed: when the engine cannot be loaded.
    """
    onnxruntime = import_onnxruntime()
    if not engine.is_file():
        raise NotReady(f"The engine {engine} is missing: build it with `mlperf build`.")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(engine), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no public base class
        raise RunFailed(f"ONNX Runtime cannot load the engine {engine}: {error}") from error


def _tensor_names(session: Any, input_name: str | None, output_name: str | None) -> tuple[tuple[str, ...], str]:
    """The engine's inputs, and the output to read, checked against the names that the config gives.

    Raises:
        RunFailed: when the engine has no tensor of a name, or several outputs and no name says which.
    """
    inputs = tuple(tensor.name for tensor in session.get_inputs())
    outputs = tuple(tensor.name for tensor in session.get_outputs())
    for kind, wanted, there in (("input", input_name, inputs), ("output", output_name, outputs)):
        if wanted not in there and (wanted is not None or len(there) > 1):
            given = "not set" if wanted is None else repr(wanted)
            raise RunFailed(
                f"model.{kind}_name is {given}, and the model has {', '.join(there)}: set it to one of these."
            )
    return inputs, output_name or outputs[0]


class _Feed:
    """The input tensors of one worker's batches, in buffers that it uses again and again."""

    def __init__(self, qsl: QSL, inputs: tuple[str, ...], batch_size: int) -> None:
        self._qsl = qsl
        self._inputs = inputs
        self._batch_size = batch_size
        self._buffers: dict[str, npt.NDArray[np.generic]] = {}

    def gather(self, indices: Indices) -> dict[str, npt.NDArray[np.generic]]:
        """Input name to rows of the samples, shape [n, ...]; valid until the next call."""
        return {name: self._rows(column, indices) for name, column in self._columns()}

    def _columns(self) -> list[tuple[str, str]]:
        """Engine input and the QSL's column for it. An only column is the only input's, whatever the model calls it."""
        columns = self._qsl.names
        if len(columns) == len(self._inputs) == 1:
            return [(self._inputs[0], columns[0])]
        if set(columns) != set(self._inputs):
            there = ", ".join(columns) or "nothing"
            raise RunFailed(f"the data set has {there}, and the engine takes {', '.join(self._inputs)}")
        return [(name, name) for name in self._inputs]

    def _rows(self, name: str, indices: Indices) -> npt.NDArray[np.generic]:
        buffer = self._buffers.get(name)
        if buffer is None:
            column = self._qsl.column(name)
            if isinstance(column, Ragged):
                raise RunFailed(f"the samples of {name} differ in length, and this engine takes batches of one shape")
            buffer = self._buffers[name] = np.empty((self._batch_size, *column.shape[1:]), column.dtype)
        rows = self._qsl.gather(name, indices, buffer)
        assert isinstance(rows, np.ndarray)
        return rows
