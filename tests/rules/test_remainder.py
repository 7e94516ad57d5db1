"""What a submission needs beside a cell that keeps the rules is named as its round asks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlperf_registry.rules.remainder import remainder
from mlperf_registry.schema.workload import Workload


@pytest.mark.parametrize(
    ("benchmark", "scenario", "changes", "needed"),
    [
        (
            "resnet50",
            "offline",
            {"category": "edge"},
            ["compliance runs of TEST01 and TEST04", "runs of SingleStream and MultiStream"],
        ),
        ("bert", "singlestream", {"category": "edge"}, ["compliance runs of TEST01", "runs of Offline"]),
        ("resnet50", "offline", {"category": "edge", "division": "open"}, []),
        ("llama3.1-8b-edge", "offline", {"category": "edge"}, ["runs of SingleStream"]),
        (
            "llama2-70b",
            "offline",
            {"category": "datacenter", "target": "k_99_9"},
            ["compliance runs of TEST06", "a run of Server or Interactive"],
        ),
        (
            "llama2-70b",
            "server",
            {"category": "datacenter", "target": "k_99_9"},
            ["compliance runs of TEST06", "runs of Offline"],
        ),
        # Only the system says where it belongs, as where nobody chooses a category.
        (
            "bert",
            "singlestream",
            {"category": None, "system_category": "edge"},
            ["compliance runs of TEST01", "runs of Offline"],
        ),
        ("bert", "singlestream", {"category": None}, ["compliance runs of TEST01"]),
        # Edge has no 99.9 % target in v4.1, so that SingleStream is required at 99 % alone.
        (
            "bert",
            "offline",
            {"round": "v4.1", "category": "datacenter,edge", "target": "k_99"},
            ["compliance runs of TEST01 and TEST05", "runs of SingleStream and Server"],
        ),
        (
            "bert",
            "offline",
            {"round": "v4.1", "category": "datacenter,edge", "target": "k_99_9"},
            ["compliance runs of TEST01 and TEST05", "runs of Server"],
        ),
    ],
)
def test_tests_and_scenarios_are_those_of_the_round(
    make_workload: Callable[..., Workload],
    benchmark: str,
    scenario: str,
    changes: dict[str, Any],
    needed: list[str],
) -> None:
    *found, description, others = remainder(make_workload(benchmark, scenario, **{"round": "v6.1", **changes}))
    assert found == needed
    assert description.startswith("systems/") and "mlperf systems describe" in description
    assert "docs/submission.md" in others and "measurements.json" in others
