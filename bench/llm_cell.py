"""The cell that language models are measured with: llama3.1-8b with random weights in fp8, and the overrides on it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from mlperf_registry import Registry, plugins
from mlperf_registry.schema.workload import Workload

ANSWER = 128
"""Output tokens of each answer, as many as MLPerf's summaries may have."""

CELL = (
    "system=DGX-H100_H100-SXM-80GBx1",
    "benchmark=llama3.1-8b",
    "tuned_round=none",
    "mode=test_run",
    "model.weights=random",
    "builder.precision=fp8",
    "benchmark.options.ignore_eos=true",
    f"benchmark.options.min_output_tokens={ANSWER}",
    f"benchmark.options.max_output_tokens={ANSWER}",
    "loadgen.test_mode=PerformanceOnly",
    "runtime.warmup_duration=2s",
)
"""Overrides, as for ``mlperf run``; nothing of a tuned round, so that all that matters is said."""


def workload_of(samples: int, overrides: Iterable[str]) -> Workload:
    """``CELL`` with so many prompts and what ``overrides`` say otherwise, the later one of two for a field."""
    values = dict(text.split("=", 1) for text in CELL)
    values["data.sample_count"] = str(samples)
    for text in overrides:
        key, _, value = text.partition("=")
        values[key] = value
    # The engine's and the client's options are given to one command; each configuration takes its own.
    options = attrs.fields_dict(plugins.load(str(plugins.backend(values["backend"]).options)))
    prefix = "backend.options."
    values = {
        key: value for key, value in values.items() if not key.startswith(prefix) or key[len(prefix) :] in options
    }
    registry = Registry.load()
    return registry.structure(registry.compose([f"{key}={value}" for key, value in values.items()]))
