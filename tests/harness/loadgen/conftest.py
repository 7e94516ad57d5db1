"""drive: starts one LoadGen test of the simulated engine in a process of its own, as the parent does."""

from __future__ import annotations

from functools import partial

import pytest
from checkout import HERE
from driven import drive_case


@pytest.fixture
def drive(tmp_path):
    """Run a case of case.py to its end; see drive_case."""
    return partial(drive_case, HERE / "drive.py", tmp_path)
