"""One LoadGen test in a process of its own: ``python -m harness.loadgen.child RUN_JSON TEST [--events FD]``.

A process, because LoadGen keeps state between tests and a crashing engine must not take a sweep with it. Composes
and detects nothing: run.json says it all. Exit codes: 0 the test ended, valid or not; 1 failed; 2 wrong
configuration; 3 not ready; 130.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from harness.benchmarks.dataset import Dataset
from harness.loadgen.binding import loadgen
from harness.loadgen.events import Events
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Remarking, Runner
from harness.loadgen.session import open_session
from harness.loadgen.settings import make_log_settings, make_test_settings
from harness.loadgen.supervise import Watch, supervise
from harness.loadgen.sut import SUT, Answers
from mlperf_registry.digest import config_digest
from mlperf_registry.schema.plan import RATE_FIELD
from mlperf_registry.schema.problem import RunFailed
from mlperf_registry.schema.run import RUN_SCHEMA, LoadGenTest, Run
from mlperf_registry.structure import structure

PERFORMANCE = "performance"
"""The test whose samples become samples.npz."""

_STDERR = 2


def run_test(
    run: Run, name: str, events: Events, watch: Watch, *, dataset: Dataset | None = None, runner: Runner | None = None
) -> None:
    """Run one test of ``run`` from opening the data to the ``done`` event.

    Args:
        run: run.json, structured.
        name: key of ``run.tests``.
        events: where phases and the end are told.
        watch: what the main thread looks at.
        dataset: in place of the benchmark's own.
        runner: in place of the backend's own, not yet open.

    Raises:
        NotReady: when data, a package or a device is missing.
        RunFailed: when the engine, LoadGen or the disk fails.
    """
    if name not in run.tests:
        raise RunFailed(f"run.json has no test {name!r}; it has {', '.join(run.tests)}.")
    test = run.tests[name]
    make_test_settings(test.settings, test.mode)  # a missing rate is said before minutes go into loading
    session = open_session(attrs.evolve(run, tests={name: test}), test.settings, events, dataset, runner)
    watch.attend(session.sut, session.runner)
    events.phase("warmup")
    session.warm_up()
    session.sut.restart(Answers.to_loadgen(), expected_samples(test, session.qsl.total))
    events.phase("run")
    play(session.sut, session.qsl, test, Path(run.folder))
    watch.report()
    events.phase("close")
    session.runner.drain()
    session.close()
    remarks = session.runner.remarks if isinstance(session.runner, Remarking) else ()
    for remark in remarks:
        events.note(remark)
    events.phase("write")
    if name == PERFORMANCE:
        try:
            session.sut.samples.save(Path(run.folder) / "samples.npz")
        except OSError as error:
            raise RunFailed(f"samples.npz cannot be written to {run.folder}: {error.strerror}.") from error
    events.done(failures=session.sut.failures, remarks=remarks)


def play(sut: SUT, qsl: QSL, test: LoadGenTest, folder: Path) -> None:
    """Have LoadGen run ``test`` against ``sut``; its logs go to the test's folder below ``folder``.

    Raises:
        RunFailed: when the SUT broke, or LoadGen could not write its logs.
    """
    lg = loadgen()
    logs = folder / test.log_dir
    logs.mkdir(parents=True, exist_ok=True)
    # LoadGen looks for audit.config in the working directory unless it is told another name.
    audit_config = test.audit_config if test.audit_config is not None else str(logs / "no-audit.config")
    settings = make_test_settings(test.settings, test.mode)
    log_settings = make_log_settings(logs, enable_trace=test.settings.enable_trace)
    # Everything alive now stays: a collection during the run would only look at it again, and stop all threads for it.
    gc.collect()
    gc.freeze()
    loadgen_qsl = lg.ConstructQSL(qsl.total, qsl.performance_sample_count, sut.guard(qsl.load), sut.guard(qsl.unload))
    loadgen_sut = lg.ConstructFastSUT(sut.issue, sut.flush)
    try:
        lg.StartTestWithLogSettings(loadgen_sut, loadgen_qsl, settings, log_settings, audit_config)
    finally:
        lg.DestroyFastSUT(loadgen_sut)
        lg.DestroyQSL(loadgen_qsl)
    if sut.broken is not None:
        raise sut.broken
    require_logs(logs)


def require_logs(logs: Path) -> None:
    """LoadGen says nothing of a full disk; a summary that is empty or an accuracy log without its end does.

    Raises:
        RunFailed: when a log is missing or cut off.
    """
    summary, accuracy = logs / "mlperf_log_summary.txt", logs / "mlperf_log_accuracy.json"
    for path, ending in ((summary, b""), (accuracy, b"]")):
        if not path.is_file() or path.stat().st_size == 0 or not _tail(path).endswith(ending):
            raise RunFailed(f"LoadGen's {path} is missing or cut off. Is the disk full, or the folder not writable?")


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16))
        return file.read().rstrip()


def expected_samples(test: LoadGenTest, total: int) -> int:
    """Samples that the test may issue, rounded up generously: what the SUT reserves room for."""
    settings = test.settings
    if test.mode == "AccuracyOnly":
        return total
    expected: float = getattr(settings, RATE_FIELD[settings.scenario])
    rate = 1e9 / expected if settings.scenario in ("SingleStream", "MultiStream") else expected
    queries = max(settings.min_query_count, 2 * rate * settings.min_duration_ms / 1000)
    return int(queries * (settings.multi_stream_samples_per_query if settings.scenario == "MultiStream" else 1))


def read_run(path: Path) -> Run:
    """run.json, structured as strictly as any configuration.

    Raises:
        RunFailed: when it cannot be read, is of another form, or its workload is not the one it was written for.
        ConfigError: when a value in it is none that its field takes.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFailed(f"{path} cannot be read: {error}") from error
    form = tree.get("schema") if isinstance(tree, dict) else None
    if form != RUN_SCHEMA:
        raise RunFailed(
            f"{path} has the form {form}, and this version reads {RUN_SCHEMA}: make it anew with `mlperf run`."
        )
    run = structure(Run, tree, canonical=True)
    if run.config_digest != config_digest(run.workload):
        raise RunFailed(
            f"The workload in {path} is not the one that its config_digest is of: the file was changed, or written by "
            "another version. Make it anew with `mlperf run`."
        )
    return run


def parse_arguments(program: str, arguments: Sequence[str] | None, *, names_test: bool) -> argparse.Namespace:
    """The command line of a child process."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("run_json", type=Path, metavar="RUN_JSON", help="what to run")
    if names_test:
        parser.add_argument("test", metavar="TEST", help="key of its tests")
    parser.add_argument(
        "--events",
        type=int,
        default=_STDERR,
        metavar="FD",
        help="file descriptor for JSON lines; %(default)s unless given",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the process."""
    faulthandler.enable()
    given = parse_arguments("python -m harness.loadgen.child", arguments, names_test=True)
    events = Events(given.events)
    return supervise(events, lambda watch: run_test(read_run(given.run_json), given.test, events, watch))


if __name__ == "__main__":
    sys.exit(main())
