"""Jobs: what run, build and harness share, from overrides to an outcome, its table or JSON, and its exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import tell_choices
from mlperf_registry.cli.terminal import print_rich
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Progress
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.plan import Plan
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure

if TYPE_CHECKING:
    from mlperf_registry.compose.composed import Composed
    from mlperf_registry.registry import Registry
    from mlperf_registry.schema.result import RunResult


@attrs.frozen(eq=False)
class Job:
    """One configuration on its way."""

    registry: Registry
    overrides: tuple[str, ...]
    composed: Composed
    workload: Workload
    plan: Plan
    build_dir: Path
    progress: Progress


def prepare(
    registry: Registry, overrides: Sequence[str], build_dir: Path, progress: Progress, *, runs: bool = True
) -> Job:
    """Compose, structure and plan, telling what was chosen and which rules are not kept.

    Args:
        registry: what is composed from.
        overrides: of one configuration.
        build_dir: folder of engines and logs.
        progress: whom it is told.
        runs: whether LoadGen is to run, for which a submission must state its rate.

    Raises:
        ConfigError: with every problem, breaches in a strict mode included.
    """
    composed = registry.compose(overrides, quick=True)
    tell_choices(registry, composed, progress.note)
    workload = registry.structure(composed)
    plan = plan_for(workload, progress, runs=runs)
    return Job(registry, tuple(overrides), composed, workload, plan, build_dir, progress)


def show(outcome: RunResult | Engine, *, as_json: bool, accuracy_unit: str) -> None:
    """The end of a command: the JSON document, or a table for people and where the report lies, on stdout."""
    if as_json:
        print_json(unstructure(outcome))
    elif isinstance(outcome, Engine):
        print(f"The engine {outcome.key} lies in {outcome.path}")
    else:
        from mlperf_registry.report.table import run_summary

        # The report has a line of its own, which no table breaks in two.
        print_rich(run_summary(attrs.evolve(outcome, report=None), accuracy_unit=accuracy_unit))
        if outcome.report is not None and Path(outcome.report).is_file():
            print(f"The report lies at {outcome.report}")


@contextlib.contextmanager
def own_stdout(request: Request) -> Iterator[None]:
    """With ``--json``, whatever a library prints goes to stderr, since stdout holds one document."""
    if not request.json:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield
