"""Ledger: which request is under way in which core, and whether a core's report on it can be true.

A request is begun at most once and ended exactly once, by the core that holds it; the first token comes before the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from harness.llm.scheduler import Load

Wrong = dict[int, str]
"""Position in a report to what is wrong with it there, as a sentence."""


class Ledger:
    """Requests by id. Knows nothing of threads: whoever shares it holds a lock.

    Args:
        cores: name and capacity of each core.
        streaming: whether each request must have its first token before its end.
    """

    def __init__(self, cores: Sequence[tuple[str, int | None]], *, streaming: bool) -> None:
        self._cores = cores
        self.streaming = streaming
        self._pending = [0] * len(cores)
        self._core_of: dict[int, int] = {}
        self._begun: set[int] = set()

    @property
    def open(self) -> Collection[int]:
        """Ids of the requests that a core holds."""
        return self._core_of.keys()

    @property
    def begun(self) -> int:
        """How many of them have their first token."""
        return len(self._begun)

    @property
    def loads(self) -> list[Load]:
        """What each core has, and what it can take."""
        return [Load(pending, capacity) for pending, (_, capacity) in zip(self._pending, self._cores, strict=True)]

    @property
    def full(self) -> bool:
        """Whether no core can take another request."""
        return all(load.full for load in self.loads)

    def submit(self, ids: Iterable[int], cores: Iterable[int]) -> None:
        """Requests go to cores, id by id."""
        for id_, core in zip(ids, cores, strict=True):
            self._core_of[id_] = core
            self._pending[core] += 1

    def first_token(self, core: int, ids: Sequence[int], lengths: Sequence[int]) -> Wrong:
        """A core reports first tokens, so many of each. A request with which something is wrong is ended."""
        wrong: Wrong = {}
        for position, (id_, length) in enumerate(zip(ids, lengths, strict=True)):
            if (stranger := self._stranger(core, id_)) is not None:
                wrong[position] = stranger
            elif not length:
                wrong[position] = f"{self._name(core)} reported a first token that is none."
            elif id_ in self._begun:
                wrong[position] = f"{self._name(core)} reported the first token of a request twice."
            else:
                self._begun.add(id_)
                continue
            self._end(id_)
        return wrong

    def finish(self, core: int, ids: Sequence[int], lengths: Sequence[int]) -> Wrong:
        """A core reports answers of so many tokens; each request is ended, those with which something is wrong too."""
        wrong: Wrong = {}
        for position, (id_, length) in enumerate(zip(ids, lengths, strict=True)):
            if (stranger := self._stranger(core, id_)) is not None:
                wrong[position] = stranger
            elif not length:
                wrong[position] = f"{self._name(core)} answered a request with no token."
            elif self.streaming and id_ not in self._begun:
                wrong[position] = f"{self._name(core)} reported an answer without its first token before."
            self._end(id_)
        return wrong

    def fail(self, ids: Iterable[int]) -> None:
        """Requests end without an answer; it is no matter whether they are open."""
        for id_ in ids:
            self._end(id_)

    def _stranger(self, core: int, id_: int) -> str | None:
        holder = self._core_of.get(id_)
        if holder is None:
            return f"{self._name(core)} reported on a request that has ended, or that it never got."
        if holder != core:
            return f"{self._name(core)} reported on a request that {self._name(holder)} has."
        return None

    def _end(self, id_: int) -> None:
        core = self._core_of.pop(id_, None)
        if core is not None:
            self._pending[core] -= 1
            self._begun.discard(id_)

    def _name(self, core: int) -> str:
        return self._cores[core][0]
