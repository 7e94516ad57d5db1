"""A Run by hand, for the scripts that drive a simulated engine."""

from __future__ import annotations

from mlperf_registry.schema.benchmarks.resnet50 import ResNet50Options
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.run import RUN_SCHEMA, LoadGenTest, Run
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
from mlperf_registry.schema.workload import Workload


def make_workload(scenario="Offline", *, batch_size=16, runtime=None, loadgen=None):
    """resnet50 on a backend that no one has."""
    return Workload(
        round="v6.1",
        tuned_round="none",
        system=System(id="simulated", devices=("cpu",), category="edge"),
        benchmark=Benchmark(
            id="resnet50",
            family="resnet50",
            options=ResNet50Options(
                image_source="idx", height=1, width=1, channels=1, mean=(0.0,), scale=(1.0,), label_offset=0
            ),
            rules_as="resnet50",
            loadgen_key="resnet50",
            components=("resnet50",),
            scenarios=("offline", "server", "singlestream", "multistream"),
            accuracy_targets=("k_99",),
            harnesses=("native",),
            backends=("simulated",),
            accuracy_metric="acc",
        ),
        scenario=Scenario(name=scenario, first_try_min_query_count=1),
        accuracy_target=AccuracyTarget(name="0.99", fraction=0.99),
        power_setting=PowerSetting(name="MaxP"),
        harness=Harness(name="native"),
        backend=Backend(name="simulated", device="cpu"),
        mode=Mode(name="explore", strict=False),
        builder=Builder(
            gpu_batch_size=PerComponent({"resnet50": batch_size}), precision=PerComponent({"resnet50": "fp32"})
        ),
        runtime=Runtime(**{"warmup_duration": 100, **(runtime or {})}),
        loadgen=LoadGen(**(loadgen or {})),
        model=Model(path="none", input_name="number", output_name="answer"),
        data=Data(path="none", sample_count=50000),
        power=Power(),
    )


def make_run(case):
    """The run of a case: folder, test, settings, and optionally mode, runtime and audit_config."""
    settings = LoadGenSettings(
        **{
            "min_duration_ms": 300,
            "min_query_count": 100,
            "qsl_rng_seed": 1,
            "sample_index_rng_seed": 2,
            "schedule_rng_seed": 3,
            "performance_sample_count_override": 64,
            **case["settings"],
        }
    )
    test = LoadGenTest(
        mode=case.get("mode", "PerformanceOnly"),
        settings=settings,
        log_dir=f"{case['test']}/run_1",
        audit_config=case.get("audit_config"),
    )
    return Run(
        schema=RUN_SCHEMA,
        run_id="simulated",
        workload=make_workload(runtime=case.get("runtime")),
        config_digest="0" * 64,
        engine=Engine(key="0", path="/nowhere", file="none", sha256="0", reused=False, why="simulated"),
        tests={case["test"]: test},
        scratch=None,
        folder=case["folder"],
    )
