"""What tests of language models share: the modules beside them and beside LoadGen's, and simulated engines to drive."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from driven import drive_case

HERE = Path(__file__).parent


@pytest.fixture
def drive(tmp_path):
    """Run a case of llm_case.py to its end under LoadGen; see drive_case."""
    return partial(drive_case, HERE / "drive_llm.py", tmp_path)
