"""Plans built for real by TensorRT for RTX, which needs no GPU for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends.tensorrt.builder import TensorRTBuilder
from harness.backends.tensorrt.record import PlanRecord, read_record
from mlperf_registry.schema.engine import Engine
from tests.harness.backends.tensorrt.mini_network import MINI, MINI_CACHE, engine_of, make_recipe


@pytest.fixture
def build(tmp_path) -> Callable[..., tuple[Engine, PlanRecord]]:
    """Builds a plan of the mini for an absent GPU; keywords are values of the recipe."""
    pytest.importorskip("tensorrt_rtx", reason="plans are built with tensorrt-rtx-cu13")

    def run(model: Path = MINI, cache: Path | None = MINI_CACHE, report=lambda message: None, **changes):
        assert TensorRTBuilder(report).build(make_recipe(model, cache, **changes), tmp_path) == "engine.plan"
        engine = engine_of(tmp_path)
        return engine, read_record(engine)

    return run
