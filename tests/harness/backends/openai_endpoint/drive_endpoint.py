"""One LoadGen test of openai_endpoint, ``drive_endpoint.py CASE_JSON TEST --events FD``, as the child runs one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "loadgen"))
sys.path.append(str(Path(__file__).parents[2] / "llm"))

import attrs
from llm_case import make_llm_run
from simulated_core import SimulatedPrompts

from harness.backends.openai_endpoint.runner import OpenAIEndpointRunner
from harness.loadgen.child import parse_arguments, run_test
from harness.loadgen.events import Events
from harness.loadgen.supervise import supervise
from mlperf_registry.schema.backends.openai_endpoint import OpenAIEndpointOptions
from mlperf_registry.schema.sections import Backend


def main():
    given = parse_arguments("drive_endpoint.py", None, names_test=True)
    case = {**json.loads(given.run_json.read_text()), "test": given.test}
    events = Events(given.events)
    run = make_llm_run(case)
    chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in case["endpoint"].items()}
    options = OpenAIEndpointOptions(**{"model_name": "vendor/Model-1B", **chosen})
    backend = Backend(name="openai_endpoint", device="cpu", options=options)
    run = attrs.evolve(run, workload=attrs.evolve(run.workload, backend=backend))
    parts = {"dataset": SimulatedPrompts(), "runner": OpenAIEndpointRunner()}
    return supervise(events, lambda watch: run_test(run, given.test, events, watch, **parts))


if __name__ == "__main__":
    sys.exit(main())
