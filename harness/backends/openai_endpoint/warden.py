"""Keeps a server for as long as the one who wants it lives: ``warden.py COMMAND...``, ended by the end of its stdin.

A process of its own, since whoever runs LoadGen may be killed, and the server with all its processes must go as well.
It is started by its path and needs the standard library alone: the server may live in another Python environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 10.0
"""Between the request to end and the end."""


def main(command: list[str]) -> int:
    """Run the command until it ends, or until stdin does; returns its exit code, 128 more than a signal's number."""
    # A request to end may come before there is a server to hand it on to. The server itself begins without handlers.
    asked: list[int] = []
    started: list[int] = []

    def end(number: int, frame: object) -> None:
        asked.append(number)
        for group in started:
            _signal(group, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    started.append(server.pid)
    if asked:
        _signal(server.pid, signal.SIGTERM)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        _signal(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_SECONDS)
        _signal(server.pid, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    code = server.wait()
    _signal(server.pid, signal.SIGKILL)  # its children, where it left some
    return code if code >= 0 else 128 - code


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
