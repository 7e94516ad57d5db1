"""Workloads for the rules' tests, made by hand: no YAML, no Hydra, no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlperf_registry.rules.round import load_round
from mlperf_registry.schema.cell import SCENARIO_NAMES, TARGET_NAMES
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.sections import (
    AccuracyTarget,
    Backend,
    Benchmark,
    Builder,
    Data,
    Harness,
    LoadGen,
    Mode,
    Model,
    Power,
    PowerSetting,
    Runtime,
    Scenario,
    System,
)
from mlperf_registry.schema.system_match import AcceleratorMatch, SystemMatch
from mlperf_registry.schema.workload import Workload

MakeWorkload = Callable[..., Workload]


def workload(
    benchmark: str = "resnet50",
    scenario: str = "offline",
    *,
    round: str = "v6.1",
    category: str | None = "edge",
    target: str = "k_99",
    division: str = "closed",
    power_setting: str = "MaxP",
    mini: bool = False,
    sample_count: int | None = None,
    weights: str = "trained",
    power_limit: float | None = None,
    options: object = None,
    backend_options: object = None,
    tags: tuple[str, ...] = (),
    integrated: bool = False,
    system_category: str | None = None,
    start_from_device: bool = False,
    end_on_device: bool = False,
    **loadgen: Any,
) -> Workload:
    """A workload that keeps every rule, but for what is asked to differ."""
    rules = load_round(round).benchmarks.get(benchmark)
    size = 10_000 if mini or rules is None else rules.dataset_size
    return Workload(
        round=round,
        tuned_round="none",
        division=division,
        category=category,
        system=System(
            id="box",
            devices=("cpu",),
            category=system_category,
            tags=tags,
            match=SystemMatch(accelerator=AcceleratorMatch(integrated=integrated)),
        ),
        benchmark=Benchmark(
            id=f"{benchmark}-mini" if mini else benchmark,
            family=benchmark,
            mini=mini,
            rules_as=benchmark,
            loadgen_key=benchmark,
            components=("model",),
            scenarios=("offline", "server", "singlestream", "multistream"),
            accuracy_targets=("k_99", "k_99_9"),
            harnesses=("native",),
            backends=("onnxruntime", "tensorrt"),
            accuracy_metric="acc",
            accuracy_reference=91.0 if mini else None,
            options=options,
        ),
        scenario=Scenario(name=SCENARIO_NAMES[scenario], first_try_min_query_count=100),
        accuracy_target=AccuracyTarget(name=TARGET_NAMES[target], fraction=float(TARGET_NAMES[target])),
        power_setting=PowerSetting(name=power_setting),
        harness=Harness(name="native"),
        backend=Backend(name="onnxruntime", device="cpu", options=backend_options),
        mode=Mode(name="explore", strict=False),
        builder=Builder(gpu_batch_size=PerComponent({"model": 1}), precision=PerComponent({"model": "fp32"})),
        runtime=Runtime(start_from_device=start_from_device, end_on_device=end_on_device),
        loadgen=LoadGen(**loadgen),
        model=Model(path="model.onnx", input_name="input", output_name="output", weights=weights),
        data=Data(path="data", sample_count=sample_count or size),
        power=Power(power_limit=power_limit),
    )


@pytest.fixture(scope="session")
def make_workload() -> MakeWorkload:
    """The factory above."""
    return workload
