"""Plans built for real by TensorRT for RTX, which needs no GPU for that, and the networks that they are built of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends.tensorrt.builder import TensorRTBuilder
from harness.backends.tensorrt.record import PlanRecord, read_record
from mlperf_registry.roots import package_file
from mlperf_registry.schema.engine import Engine, Recipe

MINI = package_file("package:harness/benchmarks/resnet50/mini/model.onnx")
MINI_CACHE = package_file("package:harness/benchmarks/resnet50/mini/model.calibration")


def make_recipe(model: Path, cache: Path | None, **changes) -> Recipe:
    values = {
        "builder.gpu_batch_size": {"resnet50": 64},
        "builder.precision": {"resnet50": "fp16"},
        "builder.compute_capability": 8.6,
        "model.output_name": "label",
        **changes,
    }
    return Recipe(
        backend="tensorrt_rtx",
        library_version="any",
        builder="module:Builder",
        builder_version=1,
        device="compute capability 8.6",
        model_path=str(model),
        model_sha256="0" * 64,
        values=values,
        calibration_path=None if cache is None else str(cache),
    )


def engine_of(folder: Path) -> Engine:
    return Engine(key="0", path=str(folder), file="engine.plan", sha256="", reused=False, why="")


@pytest.fixture
def build(tmp_path) -> Callable[..., tuple[Engine, PlanRecord]]:
    """Builds a plan of the mini for an absent GPU; keywords are values of the recipe."""
    pytest.importorskip("tensorrt_rtx", reason="plans are built with tensorrt-rtx-cu13")

    def run(model: Path = MINI, cache: Path | None = MINI_CACHE, report=lambda message: None, **changes):
        recipe = make_recipe(model, cache, **{name.replace("__", "."): value for name, value in changes.items()})
        assert TensorRTBuilder(report).build(recipe, tmp_path) == "engine.plan"
        engine = engine_of(tmp_path)
        return engine, read_record(engine)

    return run
