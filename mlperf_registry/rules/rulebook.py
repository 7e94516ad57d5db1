"""RULES: every rule that a configuration can break before it runs, each with its reason and where it is written.

What the open division relaxes is said here by ``divisions``; the numbers are the round's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

from mlperf_registry.rules.rule import Case, Division, Rule
from mlperf_registry.rules.settings import set_size
from mlperf_registry.schema.backends.reuse import ReusesKvCache
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.plan import Breach

_CLOSED: tuple[Division, ...] = ("closed",)
_SERVER = ("server", "interactive")
_QUERIES = ("singlestream", "multistream", *_SERVER)

OFFLINE_SAMPLES = "offline-samples"
"""Id of the rule whose value a setting only bounds from below: how many samples there were, the run shows."""

_SCENARIOS = "{rules}, Scenarios"
_COUNTS = "{rules}, Scenarios, and {mlperf_conf}"
_BENCHMARKS = "{rules}, Benchmarks, and {checker}, MODEL_CONFIG"
_RUN_TO_RUN = "A run that is shorter or smaller varies too much from one time to the next to be compared."
_CONFIDENCE = "With fewer queries, the percentile of latency is not known at a confidence of 99 %."


def breaches(case: Case, *, judges: Literal["cell", "values"] | None = None) -> tuple[Breach, ...]:
    """Every breach of ``case``, in the order of RULES; with ``judges``, only of the rules of that kind."""
    found = [rule.breach(case) for rule in _applicable(case.workload.division, case.scenario, judges)]
    return tuple(breach for breach in found if breach is not None)


@cache
def _applicable(division: str, scenario: str, judges: str | None) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if judges in (None, rule.judges) and rule.applies(division, scenario))


def _benchmark_in_round(case: Case) -> str | None:
    if case.benchmark is not None:
        return None
    return f"{case.round.round} has no benchmark {case.workload.benchmark.rules_as}"


def _category_has_benchmark(case: Case) -> str | None:
    category = case.workload.effective_category
    if not case.categories or category is None or category in case.categories:
        return None
    known = " and ".join(repr(name) for name in case.categories)
    return f"{case.round.round} has {_at_target(case)} in {known}, not in {category!r}"


def _category_has_scenario(case: Case) -> str | None:
    category, categories = case.workload.effective_category, case.categories
    if not categories or (category is not None and category not in categories):
        return None
    name = _at_target(case)
    if category is None:
        if any(case.scenario in rules.scenarios for rules in categories.values()):
            return None
        return f"{case.round.round} has no {case.scenario} for {name} in any category"
    known = categories[category].scenarios
    if case.scenario in known:
        return None
    return f"in {category!r}, {case.round.round} has {name} in {', '.join(known)}, not in {case.scenario}"


def _at_target(case: Case) -> str:
    name, benchmark = case.workload.benchmark.rules_as, case.benchmark
    one_target = benchmark is None or case.target not in benchmark.targets or len(benchmark.targets) == 1
    return name if one_target else f"{name} at {case.target}"


def _target_in_round(case: Case) -> str | None:
    if case.benchmark is None or case.target in case.benchmark.targets:
        return None
    known = ", ".join(case.benchmark.targets)
    return f"{case.round.round} has {case.workload.benchmark.rules_as} at {known}, not at {case.target}"


def _category_stated(case: Case) -> str | None:
    if case.workload.effective_category is not None:
        return None
    return "unknown, so that only what all categories share was checked; set category=datacenter or category=edge"


def _multistream_as_then(case: Case) -> str | None:
    rate = case.bounds.fixed_rate
    if rate is None:
        return None
    return f"in {case.round.round}, {rate:g} queries came each second, and the samples in each were the result"


def _min_duration(case: Case) -> str | None:
    least, value = case.bounds.min_duration or 0, case.settings.min_duration_ms
    return None if value >= least else f"must be {least / 1000:g} s or more, is {value / 1000:g} s"


def _max_duration(case: Case) -> str | None:
    least, value = case.bounds.min_duration or 0, case.settings.max_duration_ms
    if value == 0 or value >= least:
        return None
    return f"must not end a run before {least / 1000:g} s, is {value / 1000:g} s"


def _min_query_count(case: Case) -> str | None:
    least, value = case.bounds.fewest_queries or 1, case.settings.min_query_count
    return None if value >= least else f"must be {least} or more, is {value}"


def _max_query_count(case: Case) -> str | None:
    least, value = case.bounds.fewest_queries or 1, case.settings.max_query_count
    return None if value == 0 or value >= least else f"must not end a run before {least} queries, is {value}"


def _offline_samples(case: Case) -> str | None:
    least, value = case.bounds.fewest_queries or 1, case.settings.min_query_count
    return None if value >= least else f"must be {least} or more, is {value}: the fewest samples of the Offline query"


def _dataset_size(case: Case) -> str | None:
    if case.benchmark is None or case.workload.benchmark.mini:
        return None
    whole, value = case.benchmark.dataset_size, case.workload.data.sample_count
    return None if whole is None or value in (None, whole) else f"must be the whole set of {whole} samples, is {value}"


def _performance_sample_count(case: Case) -> str | None:
    if case.benchmark is None:
        return None
    least, value = case.benchmark.performance_sample_count, case.settings.performance_sample_count_override
    if case.workload.benchmark.mini:
        least = min(least, case.workload.data.sample_count or least)
    if value >= least:
        return None
    return f"must be {least} or more, is {value}{', which is all of the set' if _more_than_all(case) else ''}"


def _samples_exist(case: Case) -> str | None:
    if not _more_than_all(case) or _performance_sample_count(case) is not None:
        return None  # a set that is too small is said once
    most, asked = set_size(case.workload, case.benchmark), case.workload.loadgen.performance_sample_count_override
    return f"must be {most} or less, is {asked}: the set has no more, and a run holds those"


def _more_than_all(case: Case) -> bool:
    most, asked = set_size(case.workload, case.benchmark), case.workload.loadgen.performance_sample_count_override
    return most is not None and asked is not None and asked > most


def _seed(name: Literal["qsl", "sample_index", "schedule"]) -> Rule:
    def check(case: Case) -> str | None:
        announced: int = getattr(case.round.seeds, name)
        value: int = getattr(case.settings, f"{name}_rng_seed")
        return None if value == announced else f"must be {announced}, the seed of {case.round.round}, is {value}"

    return Rule(
        id=f"seed-{name.replace('_', '-')}",
        path=f"loadgen.{name}_rng_seed",
        judges="values",
        check=check,
        reason="Seeds are announced four weeks before the deadline, so that nobody tunes to one order of queries.",
        citation="{rules}, Non-determinism is restricted, and {mlperf_conf}",
    )


def _latency(id_: str, bound: Callable[[Case], int | None], setting: str) -> Rule:
    def check(case: Case) -> str | None:
        most, value = bound(case), getattr(case.settings, setting)
        return None if most is None or value <= most else f"must be {most / 1e6:g} ms or less, is {value / 1e6:g} ms"

    return Rule(
        id=id_,
        path=f"loadgen.{setting}",
        judges="values",
        divisions=_CLOSED,
        scenarios=_SERVER,
        check=check,
        reason="A rate counts only under the latency that the benchmark's users are promised.",
        citation="{rules}, Benchmarks, and {mlperf_conf}",
    )


def _percentile(id_: str, scenarios: tuple[str, ...]) -> Rule:
    setting = f"{id_.removesuffix('-percentile').replace('-', '_')}_target_latency_percentile"

    def check(case: Case) -> str | None:
        least, value = case.bounds.percentile or 0, getattr(case.settings, setting)
        return None if value >= least / 100 else f"must be {least:g} % or more, is {value * 100:g} %"

    return Rule(
        id=id_,
        path=f"loadgen.{setting}",
        judges="values",
        divisions=_CLOSED,
        scenarios=scenarios,
        check=check,
        reason="Results are compared at one point of the latency distribution.",
        citation=_SCENARIOS,
    )


def _query_latency(case: Case) -> int | None:
    # Where token latencies decide, LoadGen does not look at a query's latency at all.
    return None if case.bounds.ttft_latency is not None else case.bounds.target_latency


def _samples_per_query(case: Case) -> str | None:
    if case.bounds.fixed_rate is not None:
        return None
    asked, value = case.bounds.samples_per_query, case.settings.multi_stream_samples_per_query
    return None if asked in (None, value) else f"must be {asked}, is {value}"


def _token_latencies(case: Case) -> str | None:
    asked = case.benchmark is not None and case.benchmark.use_token_latencies
    value = case.settings.use_token_latencies
    return None if asked == value else f"must be {'on' if asked else 'off'} for {case.workload.benchmark.rules_as}"


def _equal_issue(case: Case) -> str | None:
    asked = case.benchmark is not None and case.benchmark.issues_equally(case.scenario)
    value = case.settings.sample_concatenate_permutation
    return None if asked == value else f"must be {'on' if asked else 'off'} for {case.workload.benchmark.rules_as}"


def _weights_trained(case: Case) -> str | None:
    if case.workload.model.weights == "trained":
        return None
    return "must be the trained weights, are random: such a run shows performance only"


def _answer_length(case: Case) -> str | None:
    limits = None if case.benchmark is None or case.workload.benchmark.mini else case.benchmark.generation
    options = case.workload.benchmark.options
    if limits is None or not isinstance(options, LlmOptions):
        return None
    scored = limits.max_new_tokens_accuracy or limits.max_new_tokens
    wanted = {
        "min_output_tokens": limits.min_new_tokens or options.min_output_tokens,
        "max_output_tokens": limits.max_new_tokens,
        "max_output_tokens_accuracy": options.max_output_tokens_accuracy and scored,
        "ignore_eos": False,
    }
    wrong = [f"{name} must be {asked}" for name, asked in wanted.items() if getattr(options, name) != asked]
    return " and ".join(wrong) or None


def _sentence_splitter(case: Case) -> str | None:
    options = case.workload.benchmark.options
    if case.workload.benchmark.mini or not isinstance(options, LlmOptions) or options.sentence_splitter == "punkt":
        return None
    return f"must be punkt, is {options.sentence_splitter}: rougeLsum and gen_len come out differently"


def _kv_cache_reuse(case: Case) -> str | None:
    options = case.workload.backend.options
    option = options.kv_cache_reuse if isinstance(options, ReusesKvCache) else None
    return None if option is None else f"must not let samples share the KV cache, as {option} does: set it to false"


def _start_from_device(case: Case) -> str | None:
    if not case.workload.runtime.start_from_device or _is_in_the_hosts_dram(case):
        return None
    return _unreached(case, "start_from_device_enabled")


def _end_on_device(case: Case) -> str | None:
    to_network = case.round.outputs_to_network
    if to_network is None or not case.workload.runtime.end_on_device or _is_in_the_hosts_dram(case):
        return None
    if case.workload.benchmark.rules_as not in to_network:
        name, others = case.workload.benchmark.rules_as, " and ".join(to_network)
        return f"must be false: the output of {name} must end in host memory; only that of {others} need not"
    return _unreached(case, "end_on_device_enabled")


def _is_in_the_hosts_dram(case: Case) -> bool:
    """Whether device memory is the DRAM of host and I/O devices: the rules ask which DRAM holds a sample."""
    return case.workload.system.match.accelerator.integrated


def _unreached(case: Case, tag: str) -> str | None:
    system = case.workload.system
    if tag in system.tags:
        return None
    return (
        f"must be false: nothing says that the network or an I/O device reaches the memory of the accelerators of "
        f"{system.id}, whose tags lack {tag}"
    )


def _power_limit(case: Case) -> str | None:
    limit = case.workload.power.power_limit
    if limit is None or case.workload.power_setting.name == "MaxQ":
        return None
    return f"is {limit:g} W, though MaxP runs at full power: unset it, or choose power_setting=maxq"


def _maxq_needs_power(case: Case) -> str | None:
    if case.workload.power_setting.name != "MaxQ":
        return None
    return "is MaxQ, and this version measures no power: explore with it, or choose power_setting=maxp to submit"


RULES: tuple[Rule, ...] = (
    Rule(
        id="benchmark-in-round",
        path="benchmark",
        judges="cell",
        check=_benchmark_in_round,
        reason="Only a round's own benchmarks are submitted to it; in the open division too, the task must be theirs.",
        citation="{rules}, Benchmarks",
    ),
    Rule(
        id="category-has-benchmark",
        path="category",
        judges="cell",
        divisions=_CLOSED,
        check=_category_has_benchmark,
        reason="Datacenter and edge are suites of their own.",
        citation=_BENCHMARKS,
    ),
    Rule(
        id="category-has-scenario",
        path="scenario",
        judges="cell",
        divisions=_CLOSED,
        check=_category_has_scenario,
        reason="Each suite measures a benchmark in the scenarios in which it is used there.",
        citation=_BENCHMARKS,
    ),
    Rule(
        id="target-in-round",
        path="accuracy_target",
        judges="cell",
        divisions=_CLOSED,
        check=_target_in_round,
        reason="Results are compared at the accuracy targets that the round names.",
        citation=_BENCHMARKS,
    ),
    Rule(
        id="category-stated",
        path="category",
        judges="values",
        check=_category_stated,
        reason="A submission is to one category, and each has its own scenarios.",
        citation=_BENCHMARKS,
    ),
    Rule(
        id="multistream-as-then",
        path="scenario",
        judges="values",
        scenarios=("multistream",),
        check=_multistream_as_then,
        reason="No LoadGen that can be installed runs that scenario: today's sends a query when the last is answered.",
        citation=_SCENARIOS,
    ),
    Rule(
        id="min-duration",
        path="loadgen.min_duration",
        judges="values",
        check=_min_duration,
        reason=_RUN_TO_RUN,
        citation=_SCENARIOS,
    ),
    Rule(
        id="max-duration",
        path="loadgen.max_duration",
        judges="values",
        check=_max_duration,
        reason=_RUN_TO_RUN,
        citation=_SCENARIOS,
    ),
    Rule(
        id="min-query-count",
        path="loadgen.min_query_count",
        judges="values",
        scenarios=_QUERIES,
        check=_min_query_count,
        reason=_CONFIDENCE,
        citation=_COUNTS,
    ),
    Rule(
        id="max-query-count",
        path="loadgen.max_query_count",
        judges="values",
        scenarios=_QUERIES,
        check=_max_query_count,
        reason=_CONFIDENCE,
        citation=_COUNTS,
    ),
    Rule(
        id=OFFLINE_SAMPLES,
        path="loadgen.min_query_count",
        judges="values",
        divisions=_CLOSED,
        scenarios=("offline",),
        check=_offline_samples,
        reason=_RUN_TO_RUN,
        citation="{rules}, Scenarios, and {checker}, OFFLINE_MIN_SPQ",
    ),
    Rule(
        id="dataset-size",
        path="data.sample_count",
        judges="values",
        check=_dataset_size,
        reason="Accuracy is a property of the whole data set; the open division, too, must use all of it.",
        citation="{rules}, Relaxed constraints for the Open division, and {checker}, MODEL_CONFIG",
    ),
    Rule(
        id="performance-sample-count",
        path="loadgen.performance_sample_count_override",
        judges="values",
        check=_performance_sample_count,
        reason="A library of few samples would be served from caches.",
        citation="{rules}, Benchmarks (QSL size), and {mlperf_conf}",
    ),
    Rule(
        id="performance-samples-exist",
        path="loadgen.performance_sample_count_override",
        judges="values",
        check=_samples_exist,
        reason="LoadGen draws from samples that are loaded; settings that say otherwise do not describe the run.",
        citation="{rules}, Benchmarks (QSL size)",
    ),
    _seed("qsl"),
    _seed("sample_index"),
    _seed("schedule"),
    _latency("server-latency", _query_latency, "server_target_latency_ns"),
    _latency("ttft-latency", lambda case: case.bounds.ttft_latency, "ttft_latency_ns"),
    _latency("tpot-latency", lambda case: case.bounds.tpot_latency, "tpot_latency_ns"),
    Rule(
        id="token-latencies",
        path="loadgen.use_token_latencies",
        judges="values",
        check=_token_latencies,
        reason="LoadGen must count what the round compares: tokens of a language model, samples of the others.",
        citation="{mlperf_conf}",
    ),
    _percentile("server-percentile", _SERVER),
    _percentile("single-stream-percentile", ("singlestream",)),
    _percentile("multi-stream-percentile", ("multistream",)),
    Rule(
        id="samples-per-query",
        path="loadgen.multi_stream_samples_per_query",
        judges="values",
        scenarios=("multistream",),
        check=_samples_per_query,
        reason="The latency of a MultiStream query is that of its eight samples.",
        citation=_SCENARIOS,
    ),
    Rule(
        id="equal-issue",
        path="loadgen.sample_concatenate_permutation",
        judges="values",
        check=_equal_issue,
        reason="Where samples differ in size, each must be issued equally often, or luck decides the rate.",
        citation="{mlperf_conf}",
    ),
    Rule(
        id="weights-trained",
        path="model.weights",
        judges="values",
        divisions=_CLOSED,
        check=_weights_trained,
        reason="The model must be equivalent to the reference, whose weights MLCommons provides.",
        citation="{rules}, Weight Definition and Quantization",
    ),
    Rule(
        id="answer-length",
        path="benchmark.options",
        judges="values",
        divisions=_CLOSED,
        check=_answer_length,
        reason="The length of answers is most of the work, so everyone's answers end alike.",
        citation="{rules}, Benchmarks",
    ),
    Rule(
        id="sentence-splitter",
        path="benchmark.options.sentence_splitter",
        judges="values",
        divisions=_CLOSED,
        check=_sentence_splitter,
        reason="The reference that accuracy is held against was scored with sentences as nltk's model finds them.",
        citation="{rules}, Benchmarks, and {checker}, MODEL_CONFIG",
    ),
    Rule(
        id="kv-cache-reuse",
        path="backend.options",
        judges="values",
        divisions=_CLOSED,
        check=_kv_cache_reuse,
        reason="Samples come again and again, and each must be computed whole: what one left must not serve another.",
        citation="{rules}, LoadGen Operation, and FAQ, LLM Benchmarks",
    ),
    Rule(
        id="start-from-device",
        path="runtime.start_from_device",
        judges="values",
        check=_start_from_device,
        reason="Samples must lie in the DRAM where the network or an I/O device such as a camera would put them, which "
        "is an accelerator's own on few systems.",
        citation="{rules}, LoadGen Operation",
    ),
    Rule(
        id="end-on-device",
        path="runtime.end_on_device",
        judges="values",
        check=_end_on_device,
        reason="An answer must end where it is wanted: in a process of the host, unless the rules name another place.",
        citation="{rules}, LoadGen Operation, and Constraints for the Closed division",
    ),
    Rule(
        id="power-limit",
        path="power.power_limit",
        judges="values",
        check=_power_limit,
        reason="Power management settings belong to a power submission, which must document them.",
        citation="{power}, Power Management Settings",
    ),
    Rule(
        id="maxq-needs-power",
        path="power_setting",
        judges="values",
        check=_maxq_needs_power,
        reason="A run at reduced power is submitted with its power, measured in the very run whose performance counts.",
        citation="{power}, Power and Performance Reporting and Measurement",
    ),
)
"""In the order in which they are reported: first the cell, then LoadGen's settings, then the model and the machine."""
