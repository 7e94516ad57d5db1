"""Session: the dataset, QSL, SUT and runner of one Run, opened, warmed up and closed; shared by child and probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from time import monotonic_ns
from typing import Any

import attrs
import numpy as np

from harness.benchmarks.dataset import Dataset, Prepared
from harness.loadgen.events import Events
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Runner
from harness.loadgen.sut import SUT, Answers
from harness.numa import Placement
from mlperf_registry import plugins
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.problem import RunFailed
from mlperf_registry.schema.run import Run

ONE_QUERY_AT_A_TIME = ("SingleStream", "MultiStream")
"""LoadGen's scenarios in which a query is issued only when the one before is answered."""

ROUND_SAMPLES = 16
"""Most samples of a round of warm-up where the engine batches: one that holds a thousand may be slow all the same."""


@attrs.frozen
class Exercise:
    """What issuing queries one after another, without LoadGen, has shown."""

    samples_per_second: float
    """Rate of completion once the pipeline was full."""
    latencies_ns: tuple[int, ...]
    """Time from issue to the last completion of each query; meaningful with one query in flight."""


class Session:
    """An open runner and what stands before and behind it."""

    def __init__(self, run: Run, settings: LoadGenSettings, qsl: QSL, runner: Runner) -> None:
        runtime = run.workload.runtime
        self.run = run
        self.settings = settings
        self.qsl = qsl
        self.runner = runner
        self.batch_size = 1
        """Samples in a full batch of the first component, which is what queries meet; 1 where the engine batches."""
        if runner.batching == "harness":
            self.batch_size = run.workload.builder.samples_at_once(run.workload.benchmark.components[0])
        self._done: SimpleQueue[int] = SimpleQueue()
        self.sut = SUT(
            runner,
            batch_size=self.batch_size,
            hold_ns=runtime.deque_timeout_usec * 1000,
            direct=settings.scenario in ONE_QUERY_AT_A_TIME,
            answers=Answers(self._count, _ignore),
            token_counts=settings.use_token_latencies,
            first_tokens=settings.use_token_latencies and settings.scenario != "Offline",
            respond=_responder(run),
        )

    @property
    def query_size(self) -> int:
        """Samples in a query of the scenario; Offline's is cut to a full batch."""
        if self.settings.scenario == "Offline":
            return self.batch_size
        return self.settings.multi_stream_samples_per_query if self.settings.scenario == "MultiStream" else 1

    @property
    def _exercised(self) -> int:
        return min(self.qsl.performance_sample_count, max(self.batch_size, self.query_size) * self.runner.depth)

    @contextmanager
    def samples_loaded(self) -> Iterator[None]:
        """Have as many samples in memory as exercises take; LoadGen loads its own choice later."""
        indices = range(self._exercised)
        self.qsl.load(indices)
        try:
            yield
        finally:
            self.qsl.unload(indices)

    def warm_up(self) -> None:
        """Execute full batches and queries of the scenario for ``runtime.warmup_duration``, unseen by LoadGen.

        Where the engine batches: rounds of as many samples as it has at once, for so long, or
        ``llm.warmup_iterations`` of them.

        Raises:
            RunFailed: when the runner fails a sample.
        """
        workload = self.run.workload
        seconds, rounds = workload.runtime.warmup_duration / 1000, workload.llm.warmup_iterations
        if not (seconds if rounds is None else rounds):
            return
        with self.samples_loaded():
            if self.runner.batching == "harness":
                self.exercise(self.query_size, in_flight=1, seconds=seconds / 4)
                self.exercise(self.batch_size, in_flight=self.runner.depth, seconds=3 * seconds / 4)
                return
            size = min(self.runner.depth, ROUND_SAMPLES)
            for _ in range(rounds or 1):
                # An exercise of no time issues one query.
                self.exercise(size, in_flight=1, seconds=seconds if rounds is None else 0.0)

    def exercise(self, samples_per_query: int, *, in_flight: int, seconds: float) -> Exercise:
        """Issue queries for some seconds through the real queue and batcher, ``in_flight`` of them at a time.

        Loaded samples are gone through in order, again and again. Call it within ``samples_loaded``.

        Raises:
            RunFailed: when the runner fails a sample.
        """
        self.sut.restart(Answers(self._count, _ignore), 0)
        issued = completed = 0
        latencies: list[int] = []
        begun = asked = monotonic_ns()
        full_at, full_from = begun, 0
        while True:
            while issued < completed + in_flight * samples_per_query and (
                not latencies or monotonic_ns() - begun < seconds * 1e9
            ):
                indices = (np.arange(issued, issued + samples_per_query) % self._exercised).tolist()
                asked = monotonic_ns()
                # What stands in for LoadGen counts answers only, so any numbers do for its ids.
                self.sut.issue(indices, indices)
                self.sut.flush()
                issued += samples_per_query
            if completed == issued:
                break
            target = completed + samples_per_query
            while completed < target:
                completed += self._done.get()
            latencies.append(monotonic_ns() - asked)
            if len(latencies) == in_flight:
                full_at, full_from = monotonic_ns(), completed
            self._require_sound()
        ended = monotonic_ns()
        self.runner.drain()
        if completed == full_from:  # so slow that nothing came after the pipeline was full
            full_at, full_from = begun, 0
        return Exercise(1e9 * (completed - full_from) / (ended - full_at), tuple(latencies))

    def close(self) -> None:
        """End the batcher and the runner, once every sample issued is answered."""
        self.sut.stop()
        self.runner.close()

    def _count(self, responses: list[Any]) -> None:
        self._done.put(len(responses))

    def _require_sound(self) -> None:
        if self.sut.broken is not None:
            raise self.sut.broken
        if self.sut.failures:
            raise RunFailed(f"The runner failed before the test began: {' '.join(self.sut.failures)}")


def _responder(run: Run) -> Callable[[Any], Any] | None:
    benchmark = run.workload.benchmark
    target = plugins.benchmark(benchmark.family).respond
    return None if target is None else partial(plugins.load(target), options=benchmark.options)


def _ignore(responses: list[Any]) -> None:
    pass


def open_session(
    run: Run, settings: LoadGenSettings, events: Events, dataset: Dataset | None = None, runner: Runner | None = None
) -> Session:
    """Open what ``run`` describes.

    Args:
        run: run.json, structured; with no other test than the one that the session is for, where there is one.
        settings: of that test.
        events: where the phases of loading are told, now and whenever samples are loaded.
        dataset: in place of the benchmark's own.
        runner: in place of the backend's own, not yet open.

    Raises:
        NotReady: when data, a package or a device is missing.
        RunFailed: when the engine cannot be opened, or the settings do not fit the data.
    """
    events.phase("load")
    if dataset is None:
        dataset = open_dataset(run)
    placement = Placement.of(run.workload.runtime.numa_config, events.note)
    try:
        qsl = QSL(dataset, settings.performance_sample_count_override, partial(_loading, events, placement))
    except ValueError as error:
        raise RunFailed(str(error)) from error
    if runner is None:
        backend = plugins.backend(run.workload.backend.name)
        plugins.require(backend)
        assert backend.runner is not None
        runner = plugins.load(backend.runner)()
    session = Session(run, settings, qsl, runner)
    try:
        runner.open(run, qsl, session.sut)
    except BaseException:
        events.phase("close")
        session.close()
        raise
    return session


@contextmanager
def _loading(events: Events, placement: Placement) -> Iterator[None]:
    with events.loading(), placement.memory():
        yield


def open_dataset(run: Run) -> Dataset:
    """The data set of the run, its samples in the form that the engine takes.

    Raises:
        NotReady: when data is missing, or the engine does not say what it takes.
    """
    accuracy = all(test.mode == "AccuracyOnly" for test in run.tests.values())
    workload = run.workload.scored if accuracy else run.workload
    dataset: Dataset = plugins.open_dataset(workload, None if run.scratch is None else Path(run.scratch))
    prepare = plugins.backend(run.workload.backend.name).prepare
    return dataset if prepare is None else Prepared(dataset, plugins.load(prepare)(run.engine))
