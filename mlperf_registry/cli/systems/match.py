"""``mlperf systems match``: which known system this machine is, and in what it differs from those that it nearly is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.auto import find_system, known_systems
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.session import open_registry
from mlperf_registry.cli.systems.words import no_words
from mlperf_registry.cli.table import table
from mlperf_registry.systems.comparison import Comparison
from mlperf_registry.systems.match import Candidate
from mlperf_registry.systems.match import match as match_machine


def match(request: Request) -> int:
    """Answer ``mlperf systems match``."""
    no_words(request)
    registry = open_registry(request.systems)
    machine = machine_here(request.machine)
    matching = match_machine(machine, known_systems(registry), own=registry.library.own_systems)
    found = find_system(registry, machine)
    if request.json:
        print_json(
            {
                "best": None if matching.best is None else matching.best.id,
                "tied": [system.id for system in matching.tied],
                "candidates": [_candidate(one) for one in matching.candidates],
                "system": found.system.id,
                "derived": found.derived,
                "why": found.why,
            }
        )
        return 0
    if matching.candidates:
        rows = (row for one in matching.candidates for row in _rows(one))
        print(table(("system", "matches", "rules", "differs in"), rows))
    else:
        print("No known system is like this machine.")
    print()
    print(found.text)
    return 0


def rule(comparison: Comparison) -> dict[str, Any]:
    """A rule held against a machine, as JSON gives it."""
    return {
        "rule": comparison.rule,
        "wanted": comparison.wanted,
        "found": comparison.found,
        "verdict": comparison.verdict,
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    return {
        "system": one.system.id,
        "matches": one.matches,
        "specificity": one.specificity,
        "rules": [rule(comparison) for comparison in one.comparisons],
    }


def _rows(one: Candidate) -> Iterator[tuple[str, ...]]:
    """A line for each rule that does not hold, the first with who it is."""
    first = (one.system.id, "yes" if one.matches else "no", f"{one.specificity} of {len(one.comparisons)}")
    texts = [comparison.text for comparison in one.comparisons if comparison.verdict != "same"]
    for number, text in enumerate(texts or [""]):
        yield (*(("", "", "") if number else first), text)
