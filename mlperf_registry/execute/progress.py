"""Progress: what a job tells whoever watches it. The command line draws it; a test records it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from the thread that runs the job."""

    def phase(self, name: str, detail: str = "") -> None:
        """A new phase began: build, probe, performance, accuracy, report; ``detail`` is a sentence."""

    def samples(self, *, completed: int, rate: float, elapsed: float, minimum: float) -> None:
        """LoadGen is at work.

        Args:
            completed: samples completed so far.
            rate: samples/s over the last second or so.
            elapsed: seconds since the first query.
            minimum: seconds that the run must last at least; 0 where only the count matters.
        """

    def note(self, message: str) -> None:
        """Something worth a line: a warning, a value that was chosen."""


class Silent:
    """A Progress that says nothing."""

    def phase(self, name: str, detail: str = "") -> None: ...

    def samples(self, *, completed: int, rate: float, elapsed: float, minimum: float) -> None: ...

    def note(self, message: str) -> None: ...
