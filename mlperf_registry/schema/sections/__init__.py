"""The sections of a workload, one module each: identity of the axes, then what builder, runtime, LoadGen and data read.

Names follow NVIDIA's. Times and sizes are integers in the unit given; YAML writes them with their unit.
"""

from __future__ import annotations

from mlperf_registry.schema.sections.builder import Builder, Precision
from mlperf_registry.schema.sections.data import Data
from mlperf_registry.schema.sections.identity import (
    AccuracyTarget,
    Backend,
    Benchmark,
    Harness,
    Mode,
    PowerSetting,
    Scenario,
    ScenarioName,
)
from mlperf_registry.schema.sections.llm import Llm
from mlperf_registry.schema.sections.loadgen import LoadGen, TestMode
from mlperf_registry.schema.sections.model import Model
from mlperf_registry.schema.sections.power import Power
from mlperf_registry.schema.sections.runtime import Runtime
from mlperf_registry.schema.sections.system import Category, System
from mlperf_registry.schema.sections.triton import Triton

__all__ = [
    "AccuracyTarget",
    "Backend",
    "Benchmark",
    "Builder",
    "Category",
    "Data",
    "Harness",
    "Llm",
    "LoadGen",
    "Mode",
    "Model",
    "Power",
    "PowerSetting",
    "Precision",
    "Runtime",
    "Scenario",
    "ScenarioName",
    "System",
    "TestMode",
    "Triton",
]
