"""ProcessCore: a core in a process of its own, for engines that fill a process: its GPUs, its interpreter, its crash.

Requests and reports go through pipes, many in a message, so that a token costs this process next to nothing.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from harness.llm.core import Bounded, Core, Listener
from harness.llm.request import Generation, Request, Tokens
from mlperf_registry.schema.problem import MlperfError, NotReady, RunFailed

_GRACE_S = 20.0
"""How long a core may take to close."""


class ProcessCore:
    """A Core that another process holds.

    Args:
        name: see Core.
        make: makes the core there; a function of a module, or a partial of one.
        environment: set there before anything is imported.
    """

    def __init__(self, name: str, make: Callable[[], Core], environment: Mapping[str, str]) -> None:
        self.name = name
        self.capacity: int | None = None
        self.longest: int | None = None
        """See Bounded."""
        self._make = make
        self._environment = dict(environment)
        self._process: BaseProcess | None = None
        self._reports: threading.Thread | None = None
        self._open: set[int] = set()
        self._lock = threading.Lock()
        self._lost: str | None = None

    def open(self, generation: Generation, listener: Listener) -> None:
        """See Core.

        Raises:
            NotReady, RunFailed: as the core there; RunFailed when its process ends.
        """
        # Forked, it would have this process's threads' locks without the threads.
        context = multiprocessing.get_context("spawn")
        self._requests, theirs = context.Pipe()
        self._listener = listener
        self._process = context.Process(
            target=_serve, args=(theirs, self._make, generation), name=f"core of {self.name}", daemon=False
        )
        with _environment(self._environment):
            self._process.start()
        theirs.close()
        kind, content = self._receive()
        if kind != "opened":
            raise NotReady(content) if kind == "NotReady" else RunFailed(content)
        self.capacity, self.longest = content
        self._reports = threading.Thread(target=self._listen, name=f"reports of {self.name}", daemon=True)
        self._reports.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core.

        Raises:
            RunFailed: when the process has ended.
        """
        with self._lock:
            if self._lost is None:
                self._open.update(request.id for request in requests)
        if self._lost is not None:
            raise RunFailed(self._lost)
        with contextlib.suppress(OSError):  # the thread that listens finds out the same, and says it
            self._requests.send([(request.id, request.prompt, request.text) for request in requests])

    def close(self) -> None:
        """See Core. The process is killed where it does not close in time."""
        if self._process is None:
            return
        with self._lock:
            self._lost = self._lost or f"The core of {self.name} is closed."
        with contextlib.suppress(OSError):
            self._requests.send(None)
        self._process.join(_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self._reports is not None:
            self._reports.join(_GRACE_S)  # it reads to the pipe's end, which has come with the process's
        self._requests.close()

    def _receive(self) -> tuple[str, Any]:
        try:
            message: tuple[str, Any] = self._requests.recv()
        except (EOFError, OSError):
            assert self._process is not None
            self._process.join(1)
            return "RunFailed", f"The process of {self.name} {_how(self._process.exitcode)}; this log may tell why."
        return message

    def _listen(self) -> None:
        while True:
            kind, content = self._receive()
            if kind == "RunFailed":
                break
            if kind in ("finish", "fail"):
                with self._lock:
                    self._open.difference_update(content[0])
            getattr(self._listener, kind)(*content)
        with self._lock:
            self._lost, closed = self._lost or content, self._lost is not None
            left = sorted(self._open)
            self._open.clear()
        if left and not closed:
            self._listener.fail(left, content)


class _Reports:
    """The Listener there: queues reports for the thread that writes them."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[tuple[str, Any] | None] = SimpleQueue()

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        self.queue.put(("first_token", (list(ids), list(tokens))))

    def progress(self, tokens: int) -> None:
        self.queue.put(("progress", (tokens,)))

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        self.queue.put(("finish", (list(ids), list(outputs))))

    def fail(self, ids: Sequence[int], reason: str) -> None:
        self.queue.put(("fail", (list(ids), reason)))


def _serve(pipe: Connection, make: Callable[[], Core], generation: Generation) -> None:
    """The other process, from opening the core to closing it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that closes us
    reports = _Reports()
    core: Core | None = None
    try:
        core = make()
        core.open(generation, reports)
        pipe.send(("opened", (core.capacity, core.longest if isinstance(core, Bounded) else None)))
    except Exception as error:
        traceback.print_exc()
        said = str(error) if isinstance(error, MlperfError) else f"{type(error).__name__}: {error}"
        pipe.send(("NotReady" if isinstance(error, NotReady) else "RunFailed", said))
        _close(core)
        return
    writer = threading.Thread(target=_write, args=(pipe, reports.queue), daemon=True)
    writer.start()
    try:
        while (requests := pipe.recv()) is not None:
            core.submit([Request(*fields) for fields in requests])
    except EOFError:
        pass  # the parent is gone
    except RunFailed as error:
        traceback.print_exception(error)
    _close(core)
    reports.queue.put(None)
    writer.join(1)


def _write(pipe: Connection, queue: SimpleQueue[tuple[str, Any] | None]) -> None:
    with contextlib.suppress(OSError):
        while (report := queue.get()) is not None:
            pipe.send(report)


def _close(core: Core | None) -> None:
    if core is not None:
        with contextlib.suppress(Exception):
            core.close()


_started = threading.Lock()


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Any:
    """Environment variables for a process that starts meanwhile; one such block at a time."""
    with _started:
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _how(code: int | None) -> str:
    if code is None:
        return "has closed its pipe"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
