"""say(): a line with the time, of benches that take minutes."""

from __future__ import annotations

import sys
import time


def say(message: str) -> None:
    """One line on stderr, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)
