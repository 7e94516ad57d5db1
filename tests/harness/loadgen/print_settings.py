"""Prints LoadGen's settings twice, ``print_settings.py SCENARIO FOLDER``: as we set them, and as FromConfig does.

A script, because FromConfig reads LoadGen's own mlperf.conf only the first time in a process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from case import make_workload

from harness.loadgen.binding import loadgen
from harness.loadgen.settings import make_test_settings
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.rules.user_conf import user_conf
from mlperf_registry.schema.plan import RATE_FIELD

RATES = {
    "offline_expected_qps": 41234.5,
    "server_target_qps": 1234.5,
    "single_stream_expected_latency_ns": 345_000,
    "multi_stream_expected_latency_ns": 2_345_000,
}


def fields(settings):
    names = [name for name in dir(settings) if not name.startswith("_") and name != "FromConfig"]
    return {name: value if isinstance(value := getattr(settings, name), (int, float)) else str(value) for name in names}


def main():
    scenario, folder = sys.argv[1:]
    # A rate of another scenario than the run's has no line in user.conf, and is not looked at.
    rate = RATE_FIELD[scenario]
    plan = make_plan(make_workload(scenario, loadgen={rate: RATES[rate]}))
    path = Path(folder) / "user.conf"
    path.write_text(user_conf(plan))
    theirs = loadgen().TestSettings()
    assert theirs.FromConfig(str(path), "resnet50", scenario) == 0
    print(json.dumps([fields(make_test_settings(plan.performance, "PerformanceOnly")), fields(theirs)]))


if __name__ == "__main__":
    main()
