"""``-m``: sweeps through Hydra's own sweepers and launchers, with every point checked before the first one runs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlperf_registry import plugins
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import Here
from mlperf_registry.cli.auto_words import AUTO
from mlperf_registry.cli.jobs import own_stdout, prepare
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import not_an_override, open_registry
from mlperf_registry.cli.sweep_folder import (
    PointRecord,
    SweepOrder,
    create_sweep_folder,
    read_order,
    read_records,
    record,
)
from mlperf_registry.cli.sweep_points import check, expand
from mlperf_registry.cli.terminal import PlainProgress, print_rich, say, watching
from mlperf_registry.compose.library import CONFIG
from mlperf_registry.compose.override import parse_override
from mlperf_registry.execute.progress import Progress
from mlperf_registry.report.multirun import write_multirun_report
from mlperf_registry.report.points import lower_is_better
from mlperf_registry.roots import SYSTEMS_VARIABLE
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, MlperfError, NotReady, Problem, RunFailed
from mlperf_registry.schema.result import RunResult
from mlperf_registry.structure import structure

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry

_LOCAL_LAUNCHERS = ("basic", "joblib")
"""Launchers of Hydra whose jobs run on the machine that launches them."""


def sweep(request: Request, target: str, *, runs: bool) -> int:
    """Run a sweep over ``target`` and return the exit code.

    That is 0 when every point is good, the code of their failure when all that are not failed alike, and otherwise 1.

    Args:
        request: the command line.
        target: ``module:function`` that does one job.
        runs: whether that runs LoadGen, for which a submission must state its rate.

    Raises:
        ConfigError: with the problems of every point, before anything ran.
    """
    if request.cfg is not None:
        raise ConfigError([Problem("--cfg", "prints one configuration, not those of a sweep", hint="leave out -m")])
    registry = open_registry(request.systems)
    words = sweep_words(registry, request.words)
    points = expand(registry, words)
    if request.dry_run:
        return _dry_run(registry, points, request, runs=runs)
    if points is not None:
        left = check(registry, points, request.build_dir, runs=runs, elsewhere=_runs_elsewhere(words))
        later = f"all but {left} of an unnamed system, which is found out where they run" if left else "all"
        say(f"{len(points)} {'point' if len(points) == 1 else 'points'}, {later} composed and checked.")
    folder = create_sweep_folder(
        SweepOrder(
            target=target,
            runs=runs,
            build_dir=str(request.build_dir.resolve()),
            systems=tuple(str(path.resolve()) for path in request.systems),
            overrides=words,
        )
    )
    try:
        with own_stdout(request):
            launch(registry, words, folder)
    except KeyboardInterrupt:
        say(f"Points that had ended: {len(read_records(folder))}. `mlperf report {folder}` reports them.")
        raise
    except MlperfError as error:
        # A sweeper of another make may pass on what a point raised, which its record holds already.
        if not read_records(folder):
            shutil.rmtree(folder)
            raise
        say(str(error))
    return _finish(folder, request, points or ())


def run_point(config: Any) -> float | None:
    """One job, called by Hydra in this or any other process; returns its headline figure, for sweepers that optimise.

    The job's configuration is composed anew from its overrides, since backend and tuned_round follow from them.
    An INVALID result counts as the worst there is. A failed job returns None under the basic sweeper, so that the
    others still run.

    Raises:
        RunFailed: when the job failed, under any other sweeper.
    """
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    folder, number = Path(hydra.sweep.dir), int(hydra.job.num)
    name = _name_of(number)
    overrides = tuple(str(override) for override in hydra.overrides.task)
    choices = hydra.runtime.choices
    try:
        # Stdout is for the table or the JSON at the end, whatever a library prints in whichever process.
        with contextlib.redirect_stdout(sys.stderr), _watching_point(name, choices["hydra/launcher"]) as progress:
            progress.note(f"Point {name}: {' '.join(overrides) or 'no overrides'}")
            outcome = _run(folder, overrides, progress)
    except Exception as error:
        _record(folder, number, overrides, error)
        say(f"Point {name} failed: {error}")
        if choices["hydra/sweeper"] == "basic":
            return None
        raise RunFailed(f"Point {name} failed: {error}") from None
    _record(folder, number, overrides, outcome)
    return headline_of(outcome)


def headline_of(outcome: RunResult | Engine) -> float | None:
    """What an optimising sweeper is told: the first metric, or the worst there is where the result does not count."""
    if isinstance(outcome, Engine) or not outcome.metrics:
        return None
    metric = outcome.metrics[0]
    if not outcome.good:
        return float("inf") if lower_is_better(metric) else 0.0
    return float(metric.value)


def sweep_words(registry: Registry, given: Sequence[str]) -> tuple[str, ...]:
    """Words of a sweep with aliases translated, which Hydra knows nothing of.

    ``system=auto`` stays, and no system is added: each job finds out about the machine that it runs on.

    Raises:
        ConfigError: for words that are no overrides.
    """
    strange = [word for word in given if "=" not in word and not word.startswith("~")]
    if strange:
        raise ConfigError(map(not_an_override, strange))
    return tuple(registry.translate(given))


def launch(registry: Registry, words: Sequence[str], folder: Path) -> None:
    """Hand the sweep to Hydra.

    Raises:
        ConfigError: when Hydra refuses, as for a launcher that is not installed.
    """
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from mlperf_registry.compose.source import register

    register(registry.library)
    # Hydra composes a point before its job does, and launchers carry this store to wherever that is.
    ConfigStore.instance().store(group="system", name=AUTO, node={}, package="_global_")
    conf = str(registry.library.roots.conf)
    command = hydra.main(version_base="1.3", config_path=conf, config_name=CONFIG)(run_point)
    try:
        with _as_hydra_reads_it(
            [sys.argv[0], "--multirun", *words, f"hydra.sweep.dir={_quoted(str(folder))}"],
            registry.library.roots.systems,
        ):
            command()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError([_refused_by_hydra(str(error))]) from error
    except (AttributeError, TypeError, ValueError) as error:
        # Hydra checks few of its own settings before it works with them; jobs answer for their errors themselves.
        settings = [word for word in words if parse_override(word).for_hydra]
        if not settings:
            raise
        raise ConfigError([Problem("-m", f"Hydra cannot work with {' '.join(settings)}: {error}")]) from error


def write_sweep_report(folder: Path) -> Path:
    """Write the HTML of a sweep from its folder; returns its path.

    Raises:
        ConfigError: when no point of it has ended.
    """
    records = read_records(folder)
    if not records:
        raise ConfigError([Problem(str(folder), "no point of this sweep has ended")])
    if _holds_engines(records):
        raise ConfigError([Problem(str(folder), "a sweep of builds has engines, and nothing to report")])
    return write_multirun_report(folder, [kept.point for kept in records])


def _run(folder: Path, overrides: tuple[str, ...], progress: Progress) -> RunResult | Engine:
    order = read_order(folder)
    registry = open_registry([Path(path) for path in order.systems])
    build_dir = Path(order.build_dir)
    job = prepare(*Here(registry, build_dir).settle(overrides, progress.note), build_dir, progress, runs=order.runs)
    outcome: RunResult | Engine = plugins.load(order.target)(job)
    return outcome


def _name_of(number: int) -> str:
    """A job as tables and reports number it, from 1; Hydra counts from 0."""
    return str(number + 1)


def _runs_elsewhere(words: Sequence[str]) -> bool:
    launchers = [override.written for override in map(parse_override, words) if override.key == "hydra/launcher"]
    return any(launcher not in _LOCAL_LAUNCHERS for launcher in launchers)


def _record(folder: Path, number: int, overrides: tuple[str, ...], end: RunResult | Engine | BaseException) -> None:
    # A full disk must not end the other points, nor hide where a result lies.
    try:
        record(folder, number, overrides, end)
    except OSError as error:
        place = f" Its result is in {end.log_dir}." if isinstance(end, RunResult) else ""
        say(f"How point {_name_of(number)} ended cannot be written to {folder}: {error.strerror}.{place}")


def _dry_run(registry: Registry, points: Sequence[tuple[str, ...]] | None, request: Request, *, runs: bool) -> int:
    from mlperf_registry.cli.dry_run import dry_run

    if points is None:
        raise ConfigError([Problem("--dry-run", "only the basic sweeper's points are known before it runs")])
    return dry_run(registry, points, request, runs=runs)


def _finish(folder: Path, request: Request, points: Sequence[tuple[str, ...]]) -> int:
    records = read_records(folder, points)
    failed = sum(kept.outcome is None for kept in records)
    engines = _holds_engines(records)
    if failed:
        say(f"{failed} of {len(records)} points failed.")
    path = None if engines or not records else _reported(folder, records)
    if request.json:
        print_json([kept.document for kept in records])
    elif engines:
        for kept in records:
            print(f"{' '.join(kept.overrides)}: {kept.document.get('path') or kept.document.get('error')}")
    elif records:
        from mlperf_registry.report.table import multirun_summary

        print_rich(multirun_summary([kept.point for kept in records]))
        if path is not None:
            print(f"The report lies at {path}")
    codes = {_exit_code(kept) for kept in records} - {0}
    return codes.pop() if len(codes) == 1 else int(bool(codes))


def _reported(folder: Path, records: Sequence[PointRecord]) -> Path | None:
    try:
        return write_multirun_report(folder, [kept.point for kept in records])
    except OSError as error:
        say(f"The results are whole; their report could not be written ({error.strerror}): mlperf report {folder}")
        return None


def _exit_code(kept: PointRecord) -> int:
    """What the command would end with if this point were all of it."""
    if kept.outcome is not None:
        outcome = _outcome(kept)
        return 0 if isinstance(outcome, Engine) or outcome.good else 1
    return next(
        (cls.exit_code for cls in (ConfigError, NotReady) if cls.__name__ == (kept.error or {}).get("kind")),
        RunFailed.exit_code,
    )


def _holds_engines(records: Sequence[PointRecord]) -> bool:
    return any(kept.outcome is not None and "valid" not in kept.outcome for kept in records)


def _outcome(kept: PointRecord) -> RunResult | Engine:
    assert kept.outcome is not None
    if "valid" in kept.outcome:
        return structure(RunResult, kept.outcome, canonical=True)
    return structure(Engine, kept.outcome, canonical=True)


def _refused_by_hydra(message: str) -> Problem:
    missing = re.search(r"Could not find '(hydra/\w+)/(\w+)'", message)
    if missing is not None:
        group, option = missing.groups()
        known = re.findall(r"^\t(\w+)$", message, re.MULTILINE)
        more = "others are packages to install, such as hydra-joblib-launcher"
        return Problem(group, f"there is no {option!r} here", hint=f"{nearest(option, known)}; {more}")
    return Problem("-m", message.strip().partition("\n")[0] or "Hydra refuses this sweep")


@contextlib.contextmanager
def _watching_point(name: str, launcher: str) -> Iterator[Progress]:
    # Points that run side by side cannot share a live line, and their lines must be told apart.
    if launcher == "basic":
        with watching() as progress:
            yield progress
    else:
        yield PlainProgress(sys.stderr, prefix=f"[{name}] ")


@contextlib.contextmanager
def _as_hydra_reads_it(argv: list[str], systems: Sequence[Path]) -> Iterator[None]:
    """What hydra.main reads of a process: its arguments, whether it may raise instead of exiting, and our roots.

    A launcher's processes inherit the environment, so Hydra finds the user's systems there too.
    """
    arguments, environment = sys.argv, dict(os.environ)
    sys.argv = argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    os.environ[SYSTEMS_VARIABLE] = os.pathsep.join(map(str, systems))
    try:
        yield
    finally:
        sys.argv = arguments
        for name in ("HYDRA_FULL_ERROR", SYSTEMS_VARIABLE):
            os.environ.pop(name)
            if name in environment:
                os.environ[name] = environment[name]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
