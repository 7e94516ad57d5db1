"""What a submission needs beside a cell that keeps the rules is named as its round asks it."""

from __future__ import annotations

from collections.abc import Callable

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
    ],
)
def test_tests_and_scenarios_are_those_of_the_round(
    make_workload: Callable[..., Workload],
    benchmark: str,
    scenario: str,
    changes: dict[str, str],
    needed: list[str],
) -> None:
    *found, description = remainder(make_workload(benchmark, scenario, round="v6.1", **changes))
    assert found == needed
    assert description.startswith("systems/") and "mlperf systems describe" in description
