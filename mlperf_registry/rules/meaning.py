"""What has no meaning in any round: a scenario, target, harness or engine library that a benchmark never had.

The registry refuses these before anything is structured; what only some rounds lack is a breach of a rule instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from mlperf_registry import plugins
from mlperf_registry.schema.problem import Problem
from mlperf_registry.schema.sections import Benchmark

_CHOICES = {
    "scenario": ("scenarios", "scenario", "in any round"),
    "accuracy_target": ("accuracy_targets", "accuracy target", "in any round"),
    "harness": ("harnesses", "harness", "in any round"),
    "backend": ("backends", "backend", "here"),
}
"""Group to the field of Benchmark that lists its options, its name in a sentence, and where it is looked for."""


def meaningless(
    benchmark: Benchmark, choices: Mapping[str, str], runnable: Iterable[str] | None = None
) -> tuple[Problem, ...]:
    """One problem for each choice that ``benchmark`` cannot be combined with; none where all have a meaning.

    Args:
        benchmark: says what exists.
        choices: group (scenario, accuracy_target, harness, backend; others are ignored) to option on the command line.
        runnable: the benchmark's engine libraries that the system has a device for, best first; None: all of them.
    """
    problems = []
    for group, (field, noun, where) in _CHOICES.items():
        known: tuple[str, ...] = getattr(benchmark, field)
        option = choices.get(group)
        if option is not None and option not in known:
            message = f"{benchmark.id} has no {option} {noun} {where}; it has {', '.join(known)}"
            choosable = runnable if group == "backend" and runnable is not None else known
            cures = [f"choose {group}={name}" for name in islice(choosable, 1)]
            if group == "backend":
                cures += _claim(benchmark, option)
            problems.append(Problem(group, message, hint="; ".join(cures) or None))
    return tuple(problems)


def _claim(benchmark: Benchmark, backend: str) -> Iterator[str]:
    """How a third party's backend would claim the benchmark."""
    plugin = plugins.backends().get(backend)
    if plugin is not None and backend not in plugins.OUR_BACKENDS:
        names = " or ".join(dict.fromkeys((benchmark.family, benchmark.id)))
        claimed = f", which has {', '.join(plugin.benchmarks)}" if plugin.benchmarks else ""
        yield f"if {backend} can run it, add {names} to the benchmarks of its BackendPlugin{claimed}"
