"""The table of benchmarks: under which names LoadGen, the submission checker and rounds know each, and what runs it.

Read from the options of the group ``benchmark`` alone: nothing is composed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from mlperf_registry import plugins
from mlperf_registry.compose.identities import Identities
from mlperf_registry.compose.library import Library
from mlperf_registry.structure import unstructure


@attrs.frozen(kw_only=True)
class BenchmarkRow:
    """One benchmark."""

    id: str
    description: str
    family: str
    mini: bool
    loadgen_key: str | None
    """None where LoadGen has no settings for it."""
    checker_directory: str
    """Without -95, -99 and -99.9, which the rules of a round add."""
    aliases: tuple[str, ...]
    names_in_rounds: dict[str, str]
    """Round to the published name, where it differs from the id."""
    scenarios: tuple[str, ...]
    accuracy_targets: tuple[str, ...]
    harnesses: tuple[str, ...]
    backends: tuple[str, ...]
    harness: str
    """``present``, or ``missing`` where this version has no code to run it."""

    def as_json(self) -> dict[str, Any]:
        """An object of ``list benchmarks --json``."""
        return attrs.asdict(self)


def benchmark_rows(library: Library, identities: Identities) -> Iterator[BenchmarkRow]:
    """Every benchmark, in the order of the ids.

    Raises:
        ConfigError: for an option whose section is wrong.
    """
    for option in library.options("benchmark"):
        found = identities.benchmark(option)
        plugin = plugins.benchmarks().get(found.family)
        yield BenchmarkRow(
            id=found.id,
            description=found.description,
            family=found.family,
            mini=found.mini,
            loadgen_key=found.loadgen_key,
            checker_directory=found.checker_directory or found.id,
            aliases=found.aliases,
            names_in_rounds=unstructure(found.names_in_rounds),
            scenarios=found.scenarios,
            accuracy_targets=found.accuracy_targets,
            harnesses=found.harnesses,
            backends=found.backends,
            harness="present" if plugin is not None and plugin.runnable else "missing",
        )
