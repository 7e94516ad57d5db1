"""The contract between the runner of language models and one instance of an engine: Core, and its Listener."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from harness.llm.request import Generation, Request, Tokens


class Listener(Protocol):
    """Where a core reports. Callable from any thread; reports on many requests in one call are cheaper."""

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        """The first token (or the few that came with it) of each request is out; only where answers stream."""

    def progress(self, tokens: int) -> None:
        """So many output tokens more have come: for the progress line, and to tell a long answer from a hung engine.

        A run without one of these or a complete answer for ``runtime.stall_timeout`` is ended.
        """

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        """The answers are complete: all output tokens of each, the first included."""

    def fail(self, ids: Sequence[int], reason: str) -> None:
        """The requests cannot be answered: a sentence says why. Each request ends in exactly one finish or fail."""


def tell(listener: Listener, *, begun: Mapping[int, Tokens], came: int, ended: Mapping[int, Tokens]) -> None:
    """Report what one step of an engine brought: first tokens, how many tokens in all, whole answers; by request."""
    if begun:
        listener.first_token(list(begun), list(begun.values()))
    if came:
        listener.progress(came)
    if ended:
        listener.finish(list(ended), list(ended.values()))


class Core(Protocol):
    """One instance of an engine: in this process, in a process of its own, or behind an address."""

    @property
    def name(self) -> str:
        """What messages call it: ``GPU 0,1``, ``http://host:8000``."""

    @property
    def capacity(self) -> int | None:
        """Most requests to hold at a time, running and waiting; None: it queues as many as come. Known once open."""

    def open(self, generation: Generation, listener: Listener) -> None:
        """Load the engine and wait until it answers. Raises NotReady or RunFailed; see Runner.open.

        The cores of a run open side by side, each on a thread of its own, where there are several.
        """

    def submit(self, requests: Sequence[Request]) -> None:
        """Take requests and return soon. Called from one thread at a time; may report before it returns.

        An exception ends the run: RunFailed with a sentence, when the engine is dead. To fail single requests, report.
        """

    def close(self) -> None:
        """End everything it started. Called once, also after a failure of ``open``."""


@runtime_checkable
class Bounded(Protocol):
    """A Core that knows what its engine can take, so that a prompt that is too long ends the run before it begins."""

    @property
    def longest(self) -> int | None:
        """Most tokens of a prompt and its answer together; None: not known. Known once open."""
