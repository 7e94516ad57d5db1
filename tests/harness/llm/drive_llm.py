"""One LoadGen test of simulated cores, ``drive_llm.py CASE_JSON TEST --events FD``, as the child runs one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "loadgen"))

from llm_case import make_llm_run
from simulated_core import SimulatedCore, SimulatedLLM, SimulatedPrompts

from harness.loadgen.child import parse_arguments, run_test
from harness.loadgen.events import Events
from harness.loadgen.probe import probe
from harness.loadgen.supervise import supervise


def main():
    given = parse_arguments("drive_llm.py", None, names_test=True)
    case = {**json.loads(given.run_json.read_text()), "test": given.test}
    events = Events(given.events)
    run = make_llm_run(case)
    cores = [SimulatedCore(f"core {number}", **core) for number, core in enumerate(case.get("cores", [{}]))]
    parts = {"dataset": SimulatedPrompts(), "runner": SimulatedLLM(cores)}
    if given.test == "probe":
        return supervise(events, lambda watch: probe(run, events, watch, **parts))
    return supervise(events, lambda watch: run_test(run, given.test, events, watch, **parts))


if __name__ == "__main__":
    sys.exit(main())
