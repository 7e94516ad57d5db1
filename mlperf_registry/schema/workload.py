"""Workload: one fully typed configuration. A pure value: no hardware, network, file system or environment."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.cell import POWER_NAMES, SCENARIO_NAMES, TARGET_NAMES, Cell
from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.sections import (
    AccuracyTarget,
    Backend,
    Benchmark,
    Builder,
    Category,
    Data,
    Harness,
    Llm,
    LoadGen,
    Mode,
    Model,
    Power,
    PowerSetting,
    Runtime,
    Scenario,
    System,
    TestMode,
    Triton,
)

_OPTIONS = {shown: option for names in (SCENARIO_NAMES, TARGET_NAMES, POWER_NAMES) for option, shown in names.items()}


@attrs.frozen(kw_only=True)
class Workload:
    """What a cell composes to, structured and checked."""

    round: str = knob("MLPerf round whose rules hold; by default the newest that has the benchmark.")
    tuned_round: str = knob("Round whose tuned values apply, or none.")
    division: Literal["closed", "open"] = knob("Submission division.", default="closed")
    category: Category | None = knob("Submission category; absent: the system's.", default=None)
    system: System = knob("The machine under test.")
    benchmark: Benchmark = knob("The benchmark.")
    scenario: Scenario = knob("How queries arrive.")
    accuracy_target: AccuracyTarget = knob("How much accuracy must be kept.")
    power_setting: PowerSetting = knob("Performance, or performance per watt.")
    harness: Harness = knob("How the SUT is organised.")
    backend: Backend = knob("The engine library.")
    mode: Mode = knob("How strictly the rules hold.")
    builder: Builder = knob("What turns the model into an engine.")
    runtime: Runtime = knob("What feeds the engine.")
    loadgen: LoadGen = knob("What LoadGen is told.")
    llm: Llm = knob("What engines of language models read.", default=Llm())
    triton: Triton = knob("What harnesses with a Triton server read.", default=Triton())
    model: Model = knob("The network.")
    data: Data = knob("The data set.")
    power: Power = knob("Power management.")

    @property
    def cell(self) -> Cell:
        """The key, in command-line options."""
        return Cell(
            self.system.id,
            self.benchmark.id,
            _OPTIONS.get(self.scenario.name, self.scenario.name),
            _OPTIONS.get(self.accuracy_target.name, self.accuracy_target.name),
            _OPTIONS.get(self.power_setting.name, self.power_setting.name),
            self.harness.name,
        )

    @property
    def test_mode(self) -> TestMode:
        """What LoadGen tests: what is asked for, but no accuracy of random weights, which have none."""
        return "PerformanceOnly" if self.model.weights == "random" else self.loadgen.test_mode

    @property
    def scored(self) -> Workload:
        """The workload of accuracy runs: itself, but for samples of their own where its data set has such."""
        if self.data.accuracy_path is None:
            return self
        data = attrs.evolve(self.data, path=self.data.accuracy_path, accuracy_path=None, sample_count=None)
        return attrs.evolve(self, data=data)

    @property
    def effective_category(self) -> Category | None:
        """The category that rules look at: the workload's own, else the system's."""
        return self.category if self.category is not None else self.system.category
