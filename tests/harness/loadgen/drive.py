"""One LoadGen test of a simulated engine: ``drive.py CASE_JSON FD``, with the functions of harness.loadgen.child.

A script, because LoadGen keeps state between tests; a case names folder, test, settings and the engine's behaviour.
"""

from __future__ import annotations

import json
import sys

from case import make_run
from simulated import SimulatedDataset, SimulatedRunner

from harness.loadgen.child import run_test
from harness.loadgen.events import Events
from harness.loadgen.probe import probe
from harness.loadgen.supervise import supervise


def main():
    case = json.loads(sys.argv[1])
    events = Events(int(sys.argv[2]))
    run = make_run(case)
    parts = {"dataset": SimulatedDataset(), "runner": SimulatedRunner(**case.get("engine", {}))}
    if case["test"] == "probe":
        return supervise(events, lambda watch: probe(run, events, watch, **parts))
    return supervise(events, lambda watch: run_test(run, case["test"], events, watch, **parts))


if __name__ == "__main__":
    sys.exit(main())
