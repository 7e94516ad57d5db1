"""A pipe between the harness and a process that answers for it: requests one way, reports the other, many in a message.

Rows go as one joined array, which the harness reads in a quarter of the time that as many arrays take.
``Answerer`` is the harness's end; ``Reports`` and ``take_requests`` are the process's.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, cast

import numpy as np

from harness.benchmarks.dataset import Ragged
from harness.llm.core import Listener
from harness.llm.request import Request, Tokens
from mlperf_registry.schema.problem import MlperfError, RunFailed

_FLUSH_SECONDS = 5.0
_PATIENCE_SECONDS = 1.0
_LOST = "lost"
_ENDED = "ended"


class Answerer:
    """The process, as the harness sees it. Each request that it takes ends once: by a report, or when it is given up.

    Args:
        pipe: open, and past whatever was said when the process started.
        name: in the name of the thread that hears its reports.
        listener: who is told of them.
        why_lost: a sentence, asked for when the pipe has come to its end.
    """

    def __init__(self, pipe: Connection, name: str, listener: Listener, why_lost: Callable[[], str]) -> None:
        self.ended: Any = None
        """What the process said last: see ``Reports.end``."""
        self._pipe = pipe
        self._listener = listener
        self._why_lost = why_lost
        self._open: set[int] = set()
        self._reason: str | None = None
        self._closing = False
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name=f"reports of {name}", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """Hand requests over; from one thread at a time.

        Raises:
            RunFailed: when the process was given up.
        """
        ids = [request.id for request in requests]
        with self._lock:
            if self._reason is not None:
                raise RunFailed(self._reason)
            self._open.update(ids)
        prompts = _joined([request.prompt for request in requests])
        self._send((ids, prompts, [request.text for request in requests]))

    def give_up(self, reason: str) -> None:
        """Fail what is under way; take and hear nothing more. The first reason counts."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
            left, self._open = sorted(self._open), set()
            reason = self._reason
        if left:
            self._listener.fail(left, reason)

    def close(self) -> None:
        """Have the process end; requests under way are whoever's who closes."""
        self._closing = True
        # A process that reads nothing may hold up a submit for ever; whoever closes then ends the process anyhow.
        if self._sending.acquire(timeout=_PATIENCE_SECONDS):
            self._sending.release()
            self._send(None)

    def join(self, seconds: float | None = None) -> None:
        """Wait, so long at most, for the last report: it comes when the process ends."""
        self._thread.join(seconds)

    def _send(self, message: object) -> None:
        with self._sending, contextlib.suppress(OSError):  # the thread that listens finds out the same, and says it
            self._pipe.send(message)

    def _listen(self) -> None:
        while True:
            try:
                kind, *content = self._pipe.recv()
            except (EOFError, OSError):
                break
            if kind == _LOST:
                self.give_up(*content)
            elif kind == _ENDED:
                (self.ended,) = content
            else:
                self._hear(kind, content)
        if not self._closing:
            self.give_up(self._why_lost())

    def _hear(self, kind: str, content: list[Any]) -> None:
        with self._lock:
            if self._reason is not None:
                return  # they have had their end
            if kind in ("finish", "fail"):
                self._open.difference_update(content[0])
        if isinstance(content[-1], Ragged):
            content[-1] = _rows(content[-1])
        getattr(self._listener, kind)(*content)


class Reports:
    """The Listener in the process. A thread of its own writes, so that whoever reports never waits for the harness."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._queue: SimpleQueue[tuple[object, ...] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="writer of reports", daemon=True)

    def start(self) -> None:
        """Write, from now on: the harness has heard that the process is ready."""
        self._thread.start()

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        """See Listener."""
        self._queue.put(("first_token", list(ids), _joined(tokens)))

    def progress(self, tokens: int) -> None:
        """See Listener."""
        self._queue.put(("progress", tokens))

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        """See Listener."""
        self._queue.put(("finish", list(ids), _joined(outputs)))

    def fail(self, ids: Sequence[int], reason: str) -> None:
        """See Listener."""
        self._queue.put(("fail", list(ids), reason))

    def lost(self, reason: str) -> None:
        """The process answers nothing more: a sentence says why."""
        self._queue.put((_LOST, reason))

    def end(self, content: object = None) -> None:
        """The last word, after which the process may end."""
        self._queue.put((_ENDED, content))
        self._queue.put(None)
        self._thread.join(_FLUSH_SECONDS)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (report := self._queue.get()) is not None:
                self._pipe.send(report)


def take_requests(pipe: Connection, submit: Callable[[Sequence[Request]], None], reports: Reports) -> None:
    """Submit what comes, until the harness closes, or is gone; or until that fails, which it is told."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        if message is None:
            return
        ids, prompts, texts = message
        try:
            submit(list(map(Request, ids, _rows(prompts), texts)))
        except Exception as error:
            traceback.print_exception(error)
            reports.lost(said(error))
            return


def said(error: Exception) -> str:
    """An error as a sentence for whoever runs the harness."""
    return str(error) if isinstance(error, MlperfError) else f"{type(error).__name__}: {error}"


def _joined(rows: Sequence[Tokens]) -> Ragged:
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(np.concatenate(rows) if len(rows) else np.zeros(0, np.int32), offsets)


def _rows(joined: Ragged) -> list[Tokens]:
    values = cast(Tokens, joined.values)
    return [values[first:stop] for first, stop in pairwise(joined.offsets.tolist())]
