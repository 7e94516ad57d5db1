"""What a benchmark never had is refused with what it has; what it has in some round passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlperf_registry.rules.meaning import meaningless
from mlperf_registry.schema.workload import Workload

PLAIN = {
    "scenario": "offline",
    "accuracy_target": "k_99",
    "harness": "native",
    "backend": "onnxruntime",
    "system": "box",
}


@pytest.mark.parametrize(
    ("group", "option", "message"),
    [
        (
            "scenario",
            "interactive",
            "resnet50 has no interactive scenario in any round; it has offline, server, singlestream, multistream",
        ),
        ("accuracy_target", "k_95", "resnet50 has no k_95 accuracy target in any round; it has k_99, k_99_9"),
        ("harness", "triton", "resnet50 has no triton harness in any round; it has native"),
        ("backend", "vllm", "resnet50 has no vllm backend here; it has onnxruntime, tensorrt"),
    ],
)
def test_one_problem_for_each_choice(
    make_workload: Callable[..., Workload], group: str, option: str, message: str
) -> None:
    benchmark = make_workload().benchmark
    assert meaningless(benchmark, PLAIN) == ()
    (problem,) = meaningless(benchmark, {**PLAIN, group: option})
    assert (problem.path, problem.message) == (group, message)


def test_all_problems_at_once(make_workload: Callable[..., Workload]) -> None:
    choices = {"scenario": "interactive", "accuracy_target": "k_95", "harness": "triton"}
    assert [problem.path for problem in meaningless(make_workload().benchmark, choices)] == list(choices)
