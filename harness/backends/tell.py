"""Tell: where a builder's words for the user go; see BackendPlugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Tell: TypeAlias = Callable[[str], None]


def silent(message: str) -> None:
    """Tells nobody: what a builder has until somebody listens."""
