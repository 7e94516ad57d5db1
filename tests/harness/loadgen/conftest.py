"""drive: starts one LoadGen test of the simulated engine in a process of its own, as the parent does."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

# Tests and the scripts that they start share the modules beside them.
sys.path.append(str(Path(__file__).parent))

from checkout import HERE
from driven import drive_case


@pytest.fixture
def drive(tmp_path):
    """Run a case of case.py to its end; see drive_case."""
    return partial(drive_case, HERE / "drive.py", tmp_path)
