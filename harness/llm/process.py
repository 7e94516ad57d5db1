"""ProcessCore: a core in a process of its own, for engines that fill a process: its GPUs, its interpreter, its crash.

What goes between the two is in pipe.py.
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
from typing import Any

from harness.llm.core import Bounded, Core, Listener
from harness.llm.pipe import Answerer, Reports, said, take_requests
from harness.llm.request import Generation, Request
from mlperf_registry.schema.problem import NotReady, RunFailed

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
        self._answerer: Answerer | None = None

    def open(self, generation: Generation, listener: Listener) -> None:
        """See Core.

        Raises:
            NotReady, RunFailed: as the core there; RunFailed when its process ends.
        """
        # Forked, it would have this process's threads' locks without the threads.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._make, generation), name=f"core of {self.name}", daemon=False
        )
        with _environment(self._environment):
            self._process.start()
        theirs.close()
        try:
            kind, content = self._pipe.recv()
        except (EOFError, OSError):
            kind, content = "RunFailed", self._why_lost()
        if kind != "opened":
            raise NotReady(content) if kind == "NotReady" else RunFailed(content)
        self.capacity, self.longest = content
        self._answerer = Answerer(self._pipe, self.name, listener, self._why_lost)

    def submit(self, requests: Sequence[Request]) -> None:
        """See Core.

        Raises:
            RunFailed: when the process has ended.
        """
        assert self._answerer is not None
        self._answerer.submit(requests)

    def close(self) -> None:
        """See Core. The process is killed where it does not close in time."""
        if self._process is None:
            return
        if self._answerer is not None:
            self._answerer.close()
        self._process.join(_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if self._answerer is not None:
            self._answerer.join(_GRACE_S)
        self._pipe.close()

    def _why_lost(self) -> str:
        assert self._process is not None
        self._process.join(1)
        return f"The process of {self.name} {_how(self._process.exitcode)}; this log may tell why."


def _serve(pipe: Connection, make: Callable[[], Core], generation: Generation) -> None:
    """The other process, from opening the core to closing it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that closes us
    reports = Reports(pipe)
    core: Core | None = None
    try:
        core = make()
        core.open(generation, reports)
    except Exception as error:
        traceback.print_exc()
        pipe.send(("NotReady" if isinstance(error, NotReady) else "RunFailed", said(error)))
        _close(core)
        return
    pipe.send(("opened", (core.capacity, core.longest if isinstance(core, Bounded) else None)))
    reports.start()
    take_requests(pipe, core.submit, reports)
    _close(core)
    reports.end()


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
