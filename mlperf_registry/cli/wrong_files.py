"""wrong_files(): every file under the roots that cannot be read, says who it is wrongly, or is reached by no cell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from mlperf_registry.compose.tuned import SHARED, TunedCell
from mlperf_registry.compose.tuned_file import variant_of
from mlperf_registry.roots import user_cache_folder
from mlperf_registry.rules.meaning import meaningless
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry

_ADDRESS = ("tuned_round", "system", "benchmark", "scenario")
_VARIANT = ("accuracy_target", "harness", "power_setting")


def wrong_files(registry: Registry) -> Iterator[Problem]:
    """Every problem of every file, each once and with its place; those of a cell's values show when it is made."""
    told: set[tuple[str | None, int | None]] = set()
    for problem in (*_unreadable(registry), *_misnamed(registry), *_unreached(registry)):
        # What cannot be read is met again by whoever asks for it.
        place = (problem.origin, problem.line)
        if problem.origin is None or place not in told:
            told.add(place)
            yield problem


def _unreadable(registry: Registry) -> tuple[Problem, ...]:
    try:
        registry.library.read_all(user_cache_folder(os.environ))
    except ConfigError as error:
        return error.problems
    return ()


def _misnamed(registry: Registry) -> Iterator[Problem]:
    identities = registry.identities
    for group, identity in (
        ("system", identities.system),
        ("benchmark", identities.benchmark),
        ("backend", identities.backend),
    ):
        for option in registry.library.options(group):
            try:
                identity(option)
            except ConfigError as error:
                yield from error.problems


def _unreached(registry: Registry) -> Iterator[Problem]:
    tuned = registry.library.tuned
    for cell in (*tuned.cells, *tuned.shared):
        try:
            why = _why_unreached(registry, cell)
            file = tuned.file(cell)
        except ConfigError as error:
            yield from error.problems
            continue
        if why is not None:
            yield Problem(f"tuned/{cell}", why[0], None if file is None else file.document.origin, hint=why[1])


def _why_unreached(registry: Registry, cell: TunedCell) -> tuple[str, str] | None:
    """Why no cell takes its values from the file, and the cure; None where one does."""
    for axis in _ADDRESS:
        option: str = getattr(cell, axis)
        known = registry.library.options(axis)
        if option not in known and not (axis == "system" and option == SHARED):
            return f"no cell reaches this file: there is no {axis.replace('_', ' ')} {option!r}", nearest(option, known)
    if cell.system == SHARED:
        own = any(
            (other.tuned_round, other.benchmark, other.scenario) == (cell.tuned_round, cell.benchmark, cell.scenario)
            for other in registry.library.tuned.cells
        )
        return None if own else ("no cell reaches this file: no system has one of its own beside it", "remove it")
    file = registry.library.tuned.file(cell)
    if file is None:
        return None
    try:
        benchmark = registry.identities.benchmark(cell.benchmark)
    except ConfigError:
        return None  # told with the benchmark's own file
    refused: tuple[Problem, ...] = ()
    for options in product(*(registry.library.options(axis) for axis in _VARIANT)):
        if variant_of(*options) not in file.tuned_for:
            continue
        chosen = {"scenario": cell.scenario, **dict(zip(_VARIANT, options, strict=True))}
        refused = meaningless(benchmark, chosen)
        if not refused and any(not meaningless(benchmark, {"backend": name}) for name in file.backends):
            return None
    refused = refused or meaningless(benchmark, {"backend": file.backends[0]})
    return f"no cell reaches this file: {'; '.join(one.message for one in refused)}", "move or remove it"
