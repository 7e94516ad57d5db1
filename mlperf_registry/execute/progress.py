"""Progress: what a job tells whoever watches it. The command line draws it; a test records it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:  # help must appear at once, and prints no progress
    from mlperf_registry.execute.length import Length


@attrs.frozen(kw_only=True)
class TokenProgress:
    """How a language model gets on."""

    rate: float
    """Output tokens/s over the last seconds."""
    under_way: int
    """Samples that were issued, and not answered."""
    running: int | None
    """Those of them whose answers have begun, the others wait; None where the engine does not tell."""
    ttft_ns: int | None
    """99th percentile of the time to first token so far; None where there is none."""
    tpot_ns: int | None
    """The same of the time per output token."""


class Progress(Protocol):
    """Called from the thread that runs the job."""

    def phase(self, name: str, detail: str = "") -> None:
        """A new phase began: build, probe, performance, accuracy, report; ``detail`` is a sentence."""

    def samples(
        self, *, completed: int, rate: float, elapsed: float, length: Length, tokens: TokenProgress | None = None
    ) -> None:
        """LoadGen is at work.

        Args:
            completed: samples completed so far.
            rate: samples/s over the last seconds.
            elapsed: seconds since the first query.
            length: what the test lasts at least.
            tokens: of a language model.
        """

    def note(self, message: str) -> None:
        """Something worth a line: a warning, a value that was chosen."""


class Silent:
    """A Progress that says nothing."""

    def phase(self, name: str, detail: str = "") -> None: ...

    def samples(
        self, *, completed: int, rate: float, elapsed: float, length: Length, tokens: TokenProgress | None = None
    ) -> None: ...

    def note(self, message: str) -> None: ...
