"""What a command costs before it does anything: wall time of help, a list, one explained field and a look around.

Each is a process of its own, as a user starts it; they take turns, so that what the machine does falls on all alike.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from bench.measure import entry

COMMANDS = {
    "startup_help": ("--help",),
    "startup_list": ("list", "systems"),
    "startup_explain": ("explain", "loadgen.offline_expected_qps"),
    "startup_detect": ("systems", "detect"),
}


def measure(rounds: int = 9) -> dict[str, Any]:
    """Entries of bench.json."""
    for arguments in COMMANDS.values():
        wall_seconds(arguments)
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            taken[name].append(wall_seconds(arguments))
    return {name: entry(tuple(seconds), "s") for name, seconds in taken.items()}


def wall_seconds(arguments: tuple[str, ...]) -> float:
    """Seconds from the start of ``mlperf`` with ``arguments`` to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mlperf_registry", *arguments], check=True, capture_output=True)
    return time.perf_counter() - began
