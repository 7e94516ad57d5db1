"""The whole matrix: every cell of the installation judged, resolved, structured and ruled, in one process on one core.

Measured in a fresh process, so that loading and peak memory are what a user meets.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from mlperf_registry.registry import CellRecord, Registry
from mlperf_registry.rules.plan import make_plan

COMPARED = 200
"""Most cells whose workload is compared with what ``Registry.get`` gives through Hydra."""


def measure() -> dict[str, Any]:
    """Entries of bench.json."""
    with tempfile.TemporaryDirectory() as cache:
        bare, cold, warm = (one(argument) for argument in ("-", cache, cache))
    figures: dict[str, tuple[float, str]] = {
        "matrix_cells": (bare["cells"], "cells"),
        "matrix_tuned_us": (bare["tuned_us"], "us/cell"),
        "matrix_untuned_us": (bare["untuned_us"], "us/cell"),
        "matrix_load": (bare["load_s"], "s"),
        "matrix_load_cold_cache": (cold["load_s"], "s"),
        "matrix_load_cached": (warm["load_s"], "s"),
        "matrix_memory": (bare["memory_mb"], "MB"),
        "matrix_unequal_to_get": (bare["unequal"], "cells"),
    }
    print(f"cells by state: {bare['states']}; breaches by rule: {bare['rules']}", file=sys.stderr)
    return {name: {"value": value, "unit": unit, "pairs": 1, "spread": 0.0} for name, (value, unit) in figures.items()}


def one(cache: str) -> dict[str, Any]:
    """One walk in a fresh process; ``cache`` is the folder of parsed files, or ``-`` for none."""
    command = [sys.executable, "-m", "bench.matrix", cache]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def walk(cache: Path | None) -> dict[str, Any]:
    """Load everything, then take every cell through to its plan."""
    begun = time.process_time()
    registry = Registry.load(plugins=())
    registry.library.read_all(cache=cache)
    load = time.process_time() - begun
    states: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    sample: list[CellRecord] = []
    cells = registry.cells()
    while True:
        begun = time.process_time()
        record = next(cells, None)
        if record is None:
            break
        if record.state != "meaningless":
            rules.update(breach.rule for breach in make_plan(record.workload()).breaches)
        seconds[record.state] += time.process_time() - begun
        states[record.state] += 1
        if record.state != "meaningless" and states[record.state] % 500 == 1:
            sample.append(record)
    return {
        "cells": sum(states.values()),
        "load_s": load,
        "tuned_us": 1e6 * seconds["tuned"] / states["tuned"],
        "untuned_us": 1e6 * seconds["untuned"] / states["untuned"],
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "states": dict(states),
        "rules": dict(rules),
        "unequal": sum(record.workload() != registry.get(overrides=record.overrides) for record in sample[:COMPARED]),
    }


if __name__ == "__main__":
    print(json.dumps(walk(None if sys.argv[1] == "-" else Path(sys.argv[1]))))
