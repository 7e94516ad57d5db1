"""Of two values that sources give, the rules have the one that is said to hold."""

from __future__ import annotations

from typing import Any

import pytest

from mlperf_registry.rules.contradiction import SILENT, Contradiction, contradictions
from mlperf_registry.rules.round import read_yaml, round_names, round_text

ALL = [(name, contradiction) for name in round_names() for contradiction in contradictions(name)]


def stated(name: str, benchmark: str | None, path: str) -> Any:
    """What the rules' document has at a path: the benchmark's, else for a scenario the round's."""
    tree = read_yaml(round_text(name))
    places = [tree] if benchmark is None else [tree["benchmarks"][benchmark]]
    if path.endswith("query_count"):
        places.append(tree)
    return next((value for value in (at(place, path) for place in places) if value is not None), SILENT)


def at(tree: Any, path: str) -> Any:
    # A dot is in no key that a contradiction names: benchmarks, which have some, are not part of its path.
    for key in path.split("."):
        tree = {item["metric"]: item for item in tree} if isinstance(tree, list) else tree
        tree = tree.get(key)
        if tree is None:
            return None
    return tree


@pytest.mark.parametrize(("name", "contradiction"), ALL, ids=lambda item: item if isinstance(item, str) else item.path)
def test_the_value_that_holds_is_the_rules(name: str, contradiction: Contradiction) -> None:
    for benchmark in contradiction.benchmarks or (None,):
        assert stated(name, benchmark, contradiction.path) == contradiction.values[contradiction.holds]


@pytest.mark.parametrize(("name", "contradiction"), ALL, ids=lambda item: item if isinstance(item, str) else item.path)
def test_values_differ(name: str, contradiction: Contradiction) -> None:
    held = contradiction.values[contradiction.holds]
    assert any(value != held for value in contradiction.values.values())


def test_contradictions_that_matter() -> None:
    (latency,) = (
        item for item in contradictions("v6.1") if item.benchmarks == ("dlrm-v3",) and item.path.endswith("latency")
    )
    assert latency.values == {"mlperf_conf": "80ms", "rules": "80ms", "checker": "60s"}
    assert latency.holds == "mlperf_conf"
    assert {name for name, _ in ALL} == set(round_names())
