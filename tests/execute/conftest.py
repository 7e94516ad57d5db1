"""Workloads for the tests of what happens to a plan: those of the shipped configuration."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlperf_registry.registry import Registry
from mlperf_registry.schema.workload import Workload

MakeWorkload = Callable[..., Workload]


@pytest.fixture(scope="session")
def make_workload() -> MakeWorkload:
    """Composes resnet50-mini with overrides."""
    registry = Registry.load()
    return lambda *overrides: registry.structure(registry.compose(overrides, quick=True))
