"""Identity of the axes that a cell is made of: what each option says of itself.

A system has a module of its own, for what it says of its hardware.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from mlperf_registry.schema.components import FrozenMap
from mlperf_registry.schema.knob import at_least, between, knob, not_empty

ScenarioName = Literal["Offline", "Server", "SingleStream", "MultiStream", "Interactive"]


@attrs.frozen(kw_only=True)
class Benchmark:
    """A benchmark's identity and what it can be combined with in any round."""

    id: str = knob("Name of the benchmark: its option.")
    family: str = knob("Registered alias of the code (data, accuracy) that implements it.")
    description: str = knob("One line for lists and reports.", default="")
    mini: bool = knob("A small stand-in with real data; never submittable.", default=False)
    rules_as: str = knob("Benchmark whose rules apply; a mini names its parent, a full benchmark itself.")
    loadgen_key: str | None = knob(
        "Model name in LoadGen's mlperf.conf; absent: LoadGen knows no such model.", default=None
    )
    checker_directory: str | None = knob(
        "Folder that the submission checker looks for, without -99 and -99.9; absent: the id.", default=None
    )
    aliases: tuple[str, ...] = knob("Other names on the command line.", default=())
    names_in_rounds: FrozenMap[str] = knob("Round to the name used there, where it differs.", default=FrozenMap({}))
    components: tuple[str, ...] = knob("Engines of the benchmark; keys of per-component values.", check=not_empty)
    dla_components: tuple[str, ...] = knob("Engines that only DLAs run, where those differ from the GPU's.", default=())
    scenarios: tuple[str, ...] = knob("Scenario options that exist in any round.")
    accuracy_targets: tuple[str, ...] = knob("Accuracy-target options that exist in any round.")
    harnesses: tuple[str, ...] = knob("Harness options that exist in any round.")
    backends: tuple[str, ...] = knob(
        "Engine libraries that can run it, in order of preference; those whose plug-ins claim it come after them."
    )
    first_try_sample_count: int | None = knob(
        "Samples held for performance runs in explore and test_run, where LoadGen would go through the whole set; "
        "absent: as many as in a submission.",
        unit="samples",
        check=at_least(1),
        default=None,
    )
    accuracy_metric: str = knob("Name of the metric that decides accuracy.")
    accuracy_reference: float | None = knob(
        "Reference accuracy in the metric's unit; absent where the round's data gives it.", default=None
    )
    accuracy_unit: str = knob("Unit of the metric.", default="%")
    options: Any = knob("Options owned by the benchmark; their class comes from its family.", default=None)


@attrs.frozen(kw_only=True)
class Scenario:
    """How LoadGen issues queries."""

    name: ScenarioName = knob("Name in JSON and folders.")
    first_try_min_query_count: int = knob(
        "Fewest queries in explore and test_run: what early stopping needs, and no more.",
        unit="queries",
        check=at_least(1),
    )


@attrs.frozen(kw_only=True)
class AccuracyTarget:
    """The share of the reference accuracy that a run must keep."""

    name: str = knob("Name in JSON: 0.99, 0.999.")
    fraction: float = knob("Share of the reference accuracy.", check=between(0, 1))


@attrs.frozen(kw_only=True)
class PowerSetting:
    """Whether the run aims at performance or at performance per watt."""

    name: Literal["MaxP", "MaxQ"] = knob("Name in JSON and folders.")


@attrs.frozen(kw_only=True)
class Harness:
    """How the SUT is organised."""

    name: str = knob("Name in JSON and folders; native is the benchmark's own.")


@attrs.frozen(kw_only=True)
class Backend:
    """The engine library."""

    name: str = knob("Registered alias of the engine library.")
    device: Literal["gpu", "cpu"] = knob("Kind of device that its engines run on.")
    options: Any = knob("Options owned by the backend.", default=None)


@attrs.frozen(kw_only=True)
class Mode:
    """How strictly the rules of the round hold."""

    name: Literal["explore", "test_run", "submission"] = knob("Name in JSON.")
    strict: bool = knob("Whether a breach of a rule ends the command instead of warning.")
