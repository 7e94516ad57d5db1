"""Which machine commands speak of: this one, or a recorded one that a flag or the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from mlperf_registry.detect.machine import detect, load_machine
from mlperf_registry.schema.machine import Machine
from mlperf_registry.schema.problem import ConfigError, Problem

MACHINE_VARIABLE = "MLPERF_MACHINE"
"""Names a recording, or a machine as `mlperf systems detect --json` prints it, to take instead of looking."""


def machine_here(given: Path | None = None) -> Machine:
    """The machine of ``--machine``, else of $MLPERF_MACHINE, else the one that this process runs on.

    Raises:
        ConfigError: when such a file is not there, or holds no machine.
    """
    if given is not None:
        return load_machine(given)
    named = os.environ.get(MACHINE_VARIABLE)
    if not named:
        return detect()
    try:
        return load_machine(Path(named))
    except ConfigError as error:
        raise ConfigError(
            Problem(f"${MACHINE_VARIABLE}", f"{one.path}: {one.message}", hint=one.hint) for one in error.problems
        ) from error
