"""The scratch space: the folder with models, data and what is made of them, as MLPerf's code knows it."""

from __future__ import annotations

import os
from pathlib import Path

from mlperf_registry.roots import SCRATCH_VARIABLE


def scratch() -> Path | None:
    """The scratch space that the environment names, if it does."""
    named = os.environ.get(SCRATCH_VARIABLE)
    # Absolute, since the child process and a later report may have another working directory.
    return Path(named).resolve() if named else None
