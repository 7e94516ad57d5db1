"""Round: what one MLPerf round asks of each benchmark, read from rounds/<round>.yaml when somebody asks for it.

The numbers are data, so that a new round is a new file and an old one never moves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import attrs
import yaml

from mlperf_registry.schema.knob import above, at_least, between, knob
from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.plan import AccuracyBound
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.structure import structure

ScenarioOption = Literal["singlestream", "multistream", "server", "interactive", "offline"]

_FOLDER = Path(__file__).parent / "rounds"

_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": lambda text: text == "true",
}


@attrs.frozen(kw_only=True)
class Seeds:
    """The seeds that a round announces four weeks before its deadline."""

    qsl: int = knob("Seed of the samples held.")
    sample_index: int = knob("Seed of the order of samples.")
    schedule: int = knob("Seed of the arrival times.")


@attrs.frozen(kw_only=True)
class ScenarioRules:
    """What a scenario asks; in a benchmark, only what differs from the round's own."""

    min_duration: int | None = knob("Shortest run.", unit="ms", check=at_least(0), default=None)
    percentile: float | None = knob(
        "Percentile that is bounded or reported.", unit="%", check=between(0, 100), default=None
    )
    min_query_count: int | None = knob("LoadGen's minimum; of samples in offline.", check=at_least(1), default=None)
    fewest_queries: int | None = knob(
        "Queries that a valid run has at least, or early stopping needs; samples in offline.",
        check=at_least(1),
        default=None,
    )
    samples_per_query: int | None = knob("Samples in a query.", unit="samples", check=at_least(1), default=None)
    fixed_rate: float | None = knob(
        "Queries arrive at this rate, and the samples per query are the result: MultiStream up to v1.0.",
        unit="queries/s",
        check=above(0),
        default=None,
    )
    target_latency: int | None = knob("Bound on a query's latency.", unit="ns", check=above(0), default=None)
    ttft_latency: int | None = knob("Bound on time to first token.", unit="ns", check=above(0), default=None)
    tpot_latency: int | None = knob("Bound on time per output token.", unit="ns", check=above(0), default=None)
    accuracy_sample_count: int | None = knob(
        "Samples of the accuracy run, where not all.", check=at_least(1), default=None
    )
    metric: str | None = knob("Key of LoadGen's detail log that the round compares.", default=None)
    not_tested: tuple[str, ...] | None = knob("Compliance tests that the scenario is spared.", default=None)

    def with_changes(self, changes: ScenarioRules | None) -> ScenarioRules:
        """These rules with every value that ``changes`` states."""
        stated = {} if changes is None else attrs.asdict(changes, filter=lambda _, value: value is not None)
        return attrs.evolve(self, **stated)


@attrs.frozen(kw_only=True)
class ScenarioTable:
    """Rules by scenario; None where a benchmark has nothing to add."""

    singlestream: ScenarioRules | None = knob("SingleStream.", default=None)
    multistream: ScenarioRules | None = knob("MultiStream.", default=None)
    server: ScenarioRules | None = knob("Server.", default=None)
    interactive: ScenarioRules | None = knob("Interactive: LoadGen's Server under other latencies.", default=None)
    offline: ScenarioRules | None = knob("Offline.", default=None)

    def of(self, scenario: str) -> ScenarioRules | None:
        """The rules of a scenario option."""
        found: ScenarioRules | None = getattr(self, scenario)
        return found


@attrs.frozen(kw_only=True)
class CategoryRules:
    """Scenarios of a benchmark in one submission category."""

    required: tuple[ScenarioOption, ...] = knob("Scenarios that a submission must have.")
    optional: tuple[ScenarioOption, ...] = knob("Scenarios that it may have.", default=())
    one_of: tuple[ScenarioOption, ...] = knob("Scenarios of which it must have one or more.", default=())

    @property
    def scenarios(self) -> tuple[str, ...]:
        """All that may be submitted."""
        return (*self.required, *self.one_of, *self.optional)


@attrs.frozen(kw_only=True)
class AccuracyMetric:
    """The bounds of one metric, as the checker's operands or, where it has bare numbers, as those."""

    metric: str = knob("Name, as the checker spells it.")
    scenarios: tuple[ScenarioOption, ...] = knob("Scenarios that it is for; empty: all.", default=())
    reference: float | None = knob("What the reference reaches.", default=None)
    min_factor: float | None = knob("Share of the reference that must be reached.", default=None)
    max_factor: float | None = knob("Share of the reference that must not be exceeded.", default=None)
    max_reference: float | None = knob("Reference of the upper limit, where it is another.", default=None)
    min: float | None = knob("Lower limit, where the checker has a bare number.", default=None)
    max: float | None = knob("Upper limit, where the checker has a bare number.", default=None)

    def holds_in(self, scenario: str) -> bool:
        """Whether the metric is checked in a scenario option."""
        return not self.scenarios or scenario in self.scenarios

    @property
    def bound(self) -> AccuracyBound:
        """The limits as numbers: the products that the checker computes."""
        upper = self.reference if self.max_reference is None else self.max_reference
        return AccuracyBound(
            metric=self.metric,
            min=_product(self.reference, self.min_factor, otherwise=self.min),
            max=_product(upper, self.max_factor, otherwise=self.max),
        )


@attrs.frozen(kw_only=True)
class TargetRules:
    """A benchmark at one accuracy target."""

    directory: str = knob("Name of the benchmark's folder in a submission.")
    accuracy: tuple[AccuracyMetric, ...] = knob("Every metric that is checked.")
    categories: dict[str, CategoryRules] | None = knob("Where they are not those of the benchmark.", default=None)


@attrs.frozen(kw_only=True)
class GenerationRules:
    """How many tokens a language model may answer with."""

    min_new_tokens: int | None = knob("Fewest output tokens of a sample.", check=at_least(0), default=None)
    max_new_tokens: int = knob("Most output tokens of a sample.", check=at_least(1))
    max_new_tokens_accuracy: int | None = knob(
        "In the accuracy run, where it differs.", check=at_least(1), default=None
    )


@attrs.frozen(kw_only=True, eq=False)
class BenchmarkRules:
    """One benchmark in one round; equal only to itself, so that what follows from it can be remembered."""

    loadgen_key: str | None = knob("Model name in mlperf.conf; absent where LoadGen does not run it.", default=None)
    categories: dict[str, CategoryRules] = knob("Submission category to scenarios.")
    targets: dict[str, TargetRules] = knob("Accuracy target to bounds.")
    dataset_size: int | None = knob(
        "Samples of the accuracy data set; absent where no checker counts them.",
        unit="samples",
        check=at_least(1),
        default=None,
    )
    accuracy_sample_count: int | None = knob(
        "Samples of the accuracy run, where not all.", check=at_least(1), default=None
    )
    performance_sample_count: int = knob(
        "Samples that LoadGen draws from, at least.", unit="samples", check=at_least(1)
    )
    offline_min_samples: int | None = knob("Fewest samples of the Offline query.", check=at_least(1), default=None)
    use_token_latencies: bool = knob("TTFT and TPOT decide, not the latency of queries.", default=False)
    token_latency_scaling_factor: int | None = knob(
        "Tokens of a sample, from which LoadGen infers the rate of tokens.", check=at_least(1), default=None
    )
    equal_issue: bool = knob("Every sample is issued equally often (sample_concatenate_permutation).", default=False)
    equal_issue_scenarios: tuple[ScenarioOption, ...] = knob("Scenarios of equal_issue; empty: all.", default=())
    generation: GenerationRules | None = knob("Limits on the length of answers.", default=None)
    scenarios: ScenarioTable = knob("What differs from the round's scenarios.", default=ScenarioTable())
    compliance: tuple[str, ...] = knob("Compliance tests of a closed submission.", default=())
    notes: tuple[str, ...] = knob("What a value cannot say.", default=())

    def categories_at(self, target: str) -> dict[str, CategoryRules]:
        """The categories at an accuracy target; those of the benchmark where it does not have the target."""
        rules = self.targets.get(target)
        return self.categories if rules is None or rules.categories is None else rules.categories

    def issues_equally(self, scenario: str) -> bool:
        """Whether every sample is issued equally often in a scenario option."""
        return self.equal_issue and (not self.equal_issue_scenarios or scenario in self.equal_issue_scenarios)


@attrs.frozen(kw_only=True, eq=False)
class Round:
    """One MLPerf Inference round; equal only to itself, like its benchmarks."""

    round: str = knob("Name, such as v6.1.")
    sources: dict[str, str] = knob("Where it is written: name to repository@commit and path.")
    seeds: Seeds = knob("LoadGen's seeds.")
    test05_seeds: Seeds | None = knob("The other seeds, for TEST05; absent where the checker has none.", default=None)
    loadgen_wheels: tuple[str, ...] = knob("Releases of mlcommons-loadgen with these seeds, newest first.")
    scenarios: ScenarioTable = knob("What holds for every benchmark that does not say otherwise.")
    benchmarks: dict[str, BenchmarkRules] = knob("Benchmark to rules.")
    outputs_to_network: tuple[str, ...] | None = knob(
        "Benchmarks whose output goes to the network, the others' to a process of the host; absent: not said.",
        default=None,
    )
    notes: tuple[str, ...] = knob("What a value cannot say.", default=())

    def scenario(self, benchmark: BenchmarkRules | None, scenario: str) -> ScenarioRules:
        """The complete rules of a scenario; the round's own for a benchmark that it does not have."""
        return _scenario(self, benchmark, scenario)

    def compliance(self, benchmark: BenchmarkRules, scenario: str) -> tuple[str, ...]:
        """The compliance tests that a closed submission of ``benchmark`` needs in a scenario option."""
        spared = self.scenario(benchmark, scenario).not_tested or ()
        return tuple(test for test in benchmark.compliance if test not in spared)

    def cite(self, citation: str) -> str:
        """A rule's citation with this round's commit: ``"{rules}, Scenarios"``."""
        return citation.format(**self.sources)


@lru_cache(maxsize=4096)
def _scenario(round_: Round, benchmark: BenchmarkRules | None, scenario: str) -> ScenarioRules:
    general = round_.scenarios.of("server" if scenario == "interactive" else scenario)
    assert general is not None, f"{round_.round} has no rules for {scenario}"
    if benchmark is None:
        return general
    if scenario == "offline" and benchmark.offline_min_samples is not None:
        least = benchmark.offline_min_samples
        general = attrs.evolve(general, min_query_count=least, fewest_queries=least)
    return general.with_changes(benchmark.scenarios.of(scenario))


@cache
def round_names() -> tuple[str, ...]:
    """Every round that has a file, newest last."""
    return tuple(sorted((path.stem for path in _FOLDER.glob("v*.yaml")), key=_age))


@cache
def load_round(name: str) -> Round:
    """The round of that name.

    Raises:
        ConfigError: with the known names, when there is no such round.
    """
    if name not in round_names():
        raise ConfigError([Problem("round", f"no round is called {name!r}", hint=nearest(name, round_names()))])
    return structure(Round, read_yaml(round_text(name)))


def rounds_of(benchmark_id: str) -> tuple[str, ...]:
    """The rounds that have a benchmark, newest last; empty where none has it."""
    return tuple(name for name in round_names() if benchmark_id in benchmark_ids(name))


def newest_round_of(benchmark_id: str) -> str | None:
    """The newest round that has a benchmark, or None; reads no older file than it must."""
    return next((name for name in reversed(round_names()) if benchmark_id in benchmark_ids(name)), None)


@cache
def benchmark_ids(name: str) -> tuple[str, ...]:
    """The benchmarks of a round, without parsing its file: a hundredth of the time."""
    # Our own files, whose layout a test holds against what YAML says.
    return tuple(re.findall(r"^  (\S+):$", round_text(name).partition("\nbenchmarks:\n")[2], re.MULTILINE))


@cache
def targets_of(name: str, benchmark_id: str) -> tuple[str, ...]:
    """The accuracy targets at which a round has a benchmark; none for one that it lacks. As cheap as the ids."""
    section = round_text(name).partition("\nbenchmarks:\n")[2].partition(f"  {benchmark_id}:\n")[2]
    targets = re.search(
        r"^    targets:\n((?:      .*\n)+)", re.split(r"^  \S", section, maxsplit=1, flags=re.M)[0], re.M
    )
    return tuple(re.findall(r"^      (\S+):$", targets[1], re.M)) if targets else ()


def round_text(name: str, document: int = 0) -> str:
    """A YAML document of a round's file: 0 the rules, 1 the contradictions of their sources."""
    return _documents(name)[document]


@cache
def _documents(name: str) -> list[str]:
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8").split("\n---\n")


def read_yaml(text: str) -> dict[str, Any]:
    """The tree of a YAML text of ours, through libyaml where PyYAML has it."""
    node = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert node is not None, "a round's file is not empty"
    tree: dict[str, Any] = _plain(node)
    return tree


def _plain(node: yaml.Node) -> Any:
    # PyYAML's own constructor is prepared for anchors, sets and dates, and takes three times as long.
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return _SCALARS.get(node.tag, str)(node.value)


def _age(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removeprefix("v").split("."))


def _product(reference: float | None, factor: float | None, *, otherwise: float | None) -> float | None:
    return otherwise if reference is None or factor is None else reference * factor
