"""One LoadGen test of a simulated engine, ``drive.py CASE_JSON TEST --events FD``, as harness.loadgen.child runs one.

A script, because LoadGen keeps state between tests; a case names folder, settings and the engine's behaviour.
"""

from __future__ import annotations

import json
import sys

from case import make_run
from simulated import SimulatedDataset, SimulatedRunner

from harness.loadgen.child import parse_arguments, run_test
from harness.loadgen.events import Events
from harness.loadgen.probe import probe
from harness.loadgen.supervise import supervise


def main():
    given = parse_arguments("drive.py", None, names_test=True)
    case = {**json.loads(given.run_json.read_text()), "test": given.test}
    events = Events(given.events)
    run = make_run(case)
    engine = case.get("engine", {})
    parts = {"dataset": SimulatedDataset(engine.get("fault")), "runner": SimulatedRunner(**engine)}
    if given.test == "probe":
        return supervise(events, lambda watch: probe(run, events, watch, **parts))
    return supervise(events, lambda watch: run_test(run, given.test, events, watch, **parts))


if __name__ == "__main__":
    sys.exit(main())
