"""The mini network of resnet50, its calibration cache, and recipes that name them."""

from __future__ import annotations

from pathlib import Path

from mlperf_registry.roots import package_file
from mlperf_registry.schema.engine import Engine, Recipe

MINI = package_file("package:harness/benchmarks/resnet50/mini/model.onnx")
MINI_CACHE = package_file("package:harness/benchmarks/resnet50/mini/model.calibration")


def make_recipe(
    model: Path, cache: Path | None, backend="tensorrt_rtx", device="compute capability 8.6", **changes
) -> Recipe:
    """For an absent GPU, unless ``changes`` says otherwise: values of the recipe, ``__`` for a dot."""
    values = {
        "builder.gpu_batch_size": {"resnet50": 64},
        "builder.precision": {"resnet50": "fp16"},
        "builder.compute_capability": 8.6,
        "model.output_name": "label",
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    return Recipe(
        backend=backend,
        library_version="any",
        builder="module:Builder",
        builder_version=1,
        device=device,
        model_path=str(model),
        model_sha256="0" * 64,
        values=values,
        calibration_path=None if cache is None else str(cache),
    )


def engine_of(folder: Path) -> Engine:
    return Engine(key="0", path=str(folder), file="engine.plan", sha256="", reused=False, why="")
