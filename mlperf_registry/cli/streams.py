"""Streams that a command can always write to: readers leave, letters are odd, and no exit code changes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from mlperf_registry.schema.problem import NotReady


@contextlib.contextmanager
def steady_streams() -> Iterator[None]:
    """For its time, writing to stdout and stderr raises nothing, but NotReady where stdout lies on a full disk."""
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
        """As any stream's. Raises NotReady for stdout, once, when it can take no more."""
        with self._kept_up():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As any stream's; errors as for ``write``."""
        with self._kept_up():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _kept_up(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self._drop()
            if self._stream is not sys.__stderr__:
                raise NotReady(
                    f"What was to be printed cannot be written: {error.strerror}. Make room there."
                ) from error

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
