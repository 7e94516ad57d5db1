"""Child processes that are one of our modules, or an engine library's: they import what we import, and end with us.

``python -m`` and ``python -c`` look into the working directory first, where a numpy.py of the user's may lie.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

_START = "import sys; sys.path[:] = filter(None, sys.path); from mlperf_registry.process import main; main()"
_PR_SET_PDEATHSIG = 1
_NOBODY = 0
"""In place of a parent's process id."""
_KILLED_SECONDS = 5.0
"""After SIGKILL; a process that the kernel holds takes longer, and nobody can help it."""
_NOTHING: Mapping[str, str] = MappingProxyType({})


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a child that runs ``module`` as ``python -m`` does; it goes with ``environment()``.

    Such a child sees to its own end; one that is ``running`` need not.
    """
    return _command(_NOBODY, module, *arguments)


def environment() -> dict[str, str]:
    """What a child of ours inherits: our own environment, and the folders that we import from."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path)}


@contextlib.contextmanager
def running(
    module: str, *arguments: str, added: Mapping[str, str] = _NOTHING, grace: float = 0.0, **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that runs ``module``, and its process group, all of which is gone at the end, however it comes.

    In a session of its own, since Ctrl-C then reaches the parent alone, which ends the child in order. A process that
    the child puts into another group is the child's to end. Where the parent has no time for all that (SIGKILL), the
    kernel kills the child, whatever it is at. To the kernel the parent is the thread that started the child: the
    ``with`` must end on that thread.

    Args:
        module: what it runs.
        arguments: the module's.
        added: to the environment that it inherits.
        grace: seconds that a child which is not wanted any more has after SIGTERM; what is left of its group when it is
            gone, or they are over, gets SIGKILL. 0: SIGKILL at once.
        streams: stdin, stdout, stderr and pass_fds, as of ``subprocess.Popen``.

    Raises:
        OSError: when it cannot be started.
    """
    child: subprocess.Popen[bytes] | None = None
    try:
        with _interrupts_held():
            child = subprocess.Popen(
                _command(os.getpid(), module, *arguments),
                env={**environment(), **added},
                start_new_session=True,
                **streams,
            )
        yield child
    finally:
        if child is not None:
            _end(child, grace)


def main() -> None:
    """The child's begin: tie it to its parent where there is one to be tied to, then be the module."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    if parent != _NOBODY:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before we could ask to end with it
            sys.exit(1)
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _command(parent: int, module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", _START, str(parent), module, *arguments]


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Put off what interrupts us: between the fork and our knowing of it, an exception would leave a child behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A stack undoes all, whichever handler raises meanwhile; and every handler is back before one is called.
    with contextlib.ExitStack() as held, contextlib.ExitStack() as swapped:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if callable(handler):
                swapped.callback(signal.signal, number, handler)
                signal.signal(number, lambda number, frame: held.callback(signal.raise_signal, number))
        yield


def _end(child: subprocess.Popen[bytes], grace: float) -> None:
    # The whole group: an engine may have started servers, which must not outlive a child that was ended.
    try:
        if grace:
            _signal(child, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=grace)
    finally:  # after a second Ctrl-C too: whoever presses it waits no longer, and still leaves nothing running
        _signal(child, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_KILLED_SECONDS)


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
