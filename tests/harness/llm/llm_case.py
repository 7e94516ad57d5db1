"""A Run of a language model by hand, from the case that a test writes down."""

from __future__ import annotations

import attrs
from case import make_run

from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.sections import Llm
from mlperf_registry.schema.sections.llm import RuntimeFlags


def make_llm_run(case):
    """As make_run; with ``scenario``, ``options`` of the benchmark, ``llm`` and its ``flags``."""
    run = make_run(case)
    workload = run.workload
    benchmark = attrs.evolve(
        workload.benchmark,
        family="llm",
        scenarios=("offline", "server", "interactive", "singlestream"),
        options=LlmOptions(**{"evaluation": "rouge", "max_output_tokens": 8, **case.get("options", {})}),
    )
    scenario = attrs.evolve(workload.scenario, name=case.get("scenario", case["settings"]["scenario"]))
    llm = Llm(**case.get("llm", {}), trtllm_runtime_flags=RuntimeFlags(**case.get("flags", {})))
    return attrs.evolve(run, workload=attrs.evolve(workload, benchmark=benchmark, scenario=scenario, llm=llm))
