"""Where the scripts of these tests lie, and the environment in which they find the package."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def python_path():
    """Environment in which scripts find the checkout, whatever the working directory."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}
