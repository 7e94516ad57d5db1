"""Reports: what a client's listener is to be told, gathered, since one call on many requests is cheaper than many."""

from __future__ import annotations

from harness.llm.core import Listener
from harness.llm.request import Request, Tokens


class Reports:
    """Gathers reports until they are given to the listener."""

    __slots__ = ("_failed", "_finished", "_first", "_listener", "progress")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._first: tuple[list[int], list[Tokens]] = ([], [])
        self._finished: tuple[list[int], list[Tokens]] = ([], [])
        self._failed: dict[str, list[int]] = {}
        self.progress = 0
        """Output tokens that came; a plain number, since it rises with every piece of every stream."""

    def first_token(self, request: Request, tokens: Tokens) -> None:
        """The first tokens of an answer have come."""
        self._first[0].append(request.id)
        self._first[1].append(tokens)

    def finish(self, request: Request, output: Tokens) -> None:
        """An answer is complete."""
        self._finished[0].append(request.id)
        self._finished[1].append(output)

    def fail(self, request: Request, reason: str) -> None:
        """A request has no answer; a sentence says why."""
        self._failed.setdefault(reason, []).append(request.id)

    def give(self) -> None:
        """Tell the listener all of it, first tokens before ends. Lists are given away whole: it may keep them."""
        if self._first[0]:
            (ids, tokens), self._first = self._first, ([], [])
            self._listener.first_token(ids, tokens)
        if self.progress:
            progress, self.progress = self.progress, 0
            self._listener.progress(progress)
        if self._finished[0]:
            (ids, outputs), self._finished = self._finished, ([], [])
            self._listener.finish(ids, outputs)
        if self._failed:
            failed, self._failed = self._failed, {}
            for reason, ids in failed.items():
                self._listener.fail(ids, reason)
