"""Streams that a command can always write to: readers leave, letters are odd, and no exit code changes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast


@contextlib.contextmanager
def steady_streams() -> Iterator[None]:
    """For its time, stdout and stderr are steady: writing to them raises for a full disk at most."""
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast(TextIO, _Steady(before[0])), cast(TextIO, _Steady(before[1]))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Steady:
    """A stream whose text is dropped once nobody reads it any more, as in ``mlperf list cells | head``."""

    def __init__(self, stream: TextIO) -> None:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream

    def write(self, text: str) -> int:
        """As any stream's."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        """As any stream's."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self) -> None:
        # What is still buffered goes there too; Python would complain about it at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _open_closed() -> None:
    """Open what was closed (``>&-``): Python would print on stdout what is meant for a stderr that is not there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open as long as the process
