"""How fast an engine is, without LoadGen: ``python -m harness.loadgen.probe RUN_JSON [--events FD]``.

LoadGen must be told a rate or a latency before a run that would show it; explore takes them from here.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Sequence
from statistics import median
from time import monotonic

import numpy as np

from harness.benchmarks.dataset import Dataset
from harness.loadgen.child import parse_arguments, read_run
from harness.loadgen.events import Events
from harness.loadgen.runner import Runner
from harness.loadgen.session import ROUND_SAMPLES, Exercise, Session, open_session
from harness.loadgen.supervise import Watch, supervise
from mlperf_registry.schema.problem import RunFailed
from mlperf_registry.schema.run import Run

RATE_WINDOWS = 5
RATE_SECONDS = 0.4
"""Of each window."""
RATE_SECONDS_IN_ALL = 5.0
"""No further window begins after that."""
LATENCY_SECONDS = 0.5
LATENCY_PERCENTILE = 10


def probe(
    run: Run, events: Events, watch: Watch, *, dataset: Dataset | None = None, runner: Runner | None = None
) -> None:
    """Measure through the run's own runner, queue and batcher, and send one ``probe`` event.

    ``samples_per_second`` is the rate at full batches, all devices and streams busy: the median of several windows.
    ``peak_samples_per_second`` is that of the best window, in which other programs disturbed least: an Offline query
    sized by it does not end too early. Latencies are the 10th percentile of single queries: LoadGen prepares as many
    queries as fit into the duration at that latency, and a list that is too short makes a run invalid, one that is too
    long costs nothing.

    Raises:
        NotReady, RunFailed: as ``run_test``.
    """
    if not run.tests:
        raise RunFailed("run.json has no tests to probe for.")
    settings = next(iter(run.tests.values())).settings
    session = open_session(run, settings, events, dataset, runner)
    watch.attend(session.sut, session.runner)
    events.phase("warmup")
    session.warm_up()
    events.phase("probe")
    with session.samples_loaded():
        rates = _rates(session)
        single = session.exercise(1, in_flight=1, seconds=LATENCY_SECONDS)
        multiple = None
        if "multistream" in run.workload.benchmark.scenarios:
            multiple = session.exercise(settings.multi_stream_samples_per_query, in_flight=1, seconds=LATENCY_SECONDS)
    events.phase("close")
    session.close()
    events.probe(
        samples_per_second=median(rates),
        peak_samples_per_second=max(rates),
        latency_ns=_latency_ns(single),
        multi_stream_latency_ns=None if multiple is None else _latency_ns(multiple),
    )


def _rates(session: Session) -> list[float]:
    """Rates of windows with as much in flight as keeps the engine busy.

    Where it batches itself that may be a thousand samples, for which a slow one takes ten minutes: it gets few, then
    four times as many, as long as there is time.
    """
    depth = session.runner.depth
    in_flight = depth if session.runner.batching == "harness" else min(depth, ROUND_SAMPLES)
    rates: list[float] = []
    begun = monotonic()
    for window in range(RATE_WINDOWS):
        if window and monotonic() - begun > RATE_SECONDS_IN_ALL:
            break
        if window and in_flight < depth:
            in_flight = min(depth, 4 * in_flight)
            rates.clear()
        rates.append(session.exercise(session.batch_size, in_flight=in_flight, seconds=RATE_SECONDS).samples_per_second)
    return rates


def _latency_ns(exercise: Exercise) -> int:
    return max(1, int(np.percentile(exercise.latencies_ns, LATENCY_PERCENTILE)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the process."""
    faulthandler.enable()
    given = parse_arguments("python -m harness.loadgen.probe", arguments, names_test=False)
    events = Events(given.events)
    return supervise(events, lambda watch: probe(read_run(given.run_json), events, watch))


if __name__ == "__main__":
    sys.exit(main())
