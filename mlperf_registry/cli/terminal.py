"""How a job is watched: one live line on a terminal, and plain lines, not too many, anywhere else. Always on stderr."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from mlperf_registry.execute.progress import Progress, TokenProgress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from mlperf_registry.execute.length import Length

LINE_SECONDS = 5.0
"""A plain progress line appears no more often than this."""

_WIDE = 160
_FEW = 10
"""Samples/s under which a decimal tells something."""
_LONG_NS = 10_000_000


def say(message: str) -> None:
    """A line on stderr, where every word that is not the result belongs."""
    print(message, file=sys.stderr, flush=True)


def print_rich(renderable: RenderableType) -> None:
    """A table of rich's on stdout; as wide as it needs where no terminal says how wide that is."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _WIDE).print(renderable)


class PlainProgress:
    """Progress as lines, for logs and pipes."""

    def __init__(self, stream: TextIO, prefix: str = "") -> None:
        self._stream = stream
        self._prefix = prefix
        self._phase = ""
        self._shown = 0.0

    def phase(self, name: str, detail: str = "") -> None:
        """A line for the new phase."""
        self._phase = name
        self._shown = time.monotonic()
        self._line(f"{name}: {detail}" if detail else name)

    def samples(
        self, *, completed: int, rate: float, elapsed: float, length: Length, tokens: TokenProgress | None = None
    ) -> None:
        """A line, where the last one is old enough."""
        now = time.monotonic()
        if now - self._shown >= LINE_SECONDS:
            self._shown = now
            self._line(f"  {self._phase}: {progress_text(completed, rate, elapsed, length, tokens)}")

    def note(self, message: str) -> None:
        """A line."""
        self._line(message)

    def _line(self, text: str) -> None:
        print(f"{self._prefix}{text}", file=self._stream, flush=True)


class LiveProgress:
    """Progress as one line that changes in place, with notes scrolling by above it."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        self._phase = ""

    def phase(self, name: str, detail: str = "") -> None:
        """Show the phase with a spinner until samples arrive."""
        self._phase = name
        self._show(detail)

    def samples(
        self, *, completed: int, rate: float, elapsed: float, length: Length, tokens: TokenProgress | None = None
    ) -> None:
        """Show how far the test is."""
        self._show(progress_text(completed, rate, elapsed, length, tokens))

    def note(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message, markup=False, highlight=False)

    def _show(self, text: str) -> None:
        from rich.spinner import Spinner
        from rich.text import Text

        line = Text.assemble((f"{self._phase:<12}", "bold"), text)
        self._live.update(Spinner("dots", text=line))


def progress_text(
    completed: int, rate: float, elapsed: float, length: Length, tokens: TokenProgress | None = None
) -> str:
    """``4.5 s of at least 10 s, 45%, 12,345 samples/s, 55,000 of 122,000 samples``, and of a language model

    ``5,803 tokens/s, 1,024 running, 88 waiting, p99 TTFT 812 ms, TPOT 41 ms``.
    """
    share = length.share(elapsed, completed)
    of_samples = f" of {length.samples:,}" if completed <= length.samples else ""
    parts = [
        f"{elapsed:.1f} s" + (f" of at least {length.seconds:g} s" if length.seconds > 0 else ""),
        *([] if share is None else [f"{math.floor(100 * share)}%"]),
        f"{rate:,.{1 if rate < _FEW else 0}f} samples/s",
        f"{completed:,}{of_samples} samples",
        *([] if tokens is None else [_token_text(tokens)]),
    ]
    return ", ".join(parts)


def _token_text(tokens: TokenProgress) -> str:
    parts = [f"{tokens.rate:,.0f} tokens/s"]
    if tokens.running is None:
        parts.append(f"{tokens.under_way:,} under way")
    else:
        # The two are not read at one moment.
        parts += [f"{tokens.running:,} running", f"{max(0, tokens.under_way - tokens.running):,} waiting"]
    times = [
        f"{name} {ns / 1e6:,.{0 if ns >= _LONG_NS else 1}f} ms"
        for name, ns in (("TTFT", tokens.ttft_ns), ("TPOT", tokens.tpot_ns))
        if ns is not None
    ]
    return ", ".join([*parts, f"p99 {', '.join(times)}"] if times else parts)


@contextlib.contextmanager
def watching() -> Iterator[Progress]:
    """A Progress on stderr for the time of a job."""
    if not sys.stderr.isatty():
        yield PlainProgress(sys.stderr)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, transient=True, refresh_per_second=8) as live:
        yield LiveProgress(console, live)
