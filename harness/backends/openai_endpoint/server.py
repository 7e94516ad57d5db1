"""Server: a server that we start for a run, and its end, whatever ends the run."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path

from harness.backends.openai_endpoint import warden
from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.survey import ask
from mlperf_registry.schema.problem import NotReady, RunFailed

_PORTS = range(20_000, 32_768)
"""Above the ports of well-known services, below those that Linux gives to whoever asks for any."""
_TRIED_PORTS = 100
_POLL_SECONDS = 0.25
_LINES_SHOWN = 3
_SIGNALLED = 128
"""What the warden adds to the number of the signal that ended a server."""


def free_port() -> int:
    """A TCP port of this machine that nobody has, and that the system gives nobody who asks for any port.

    A server may take minutes to listen on it: one that the system might give away could be another's by then.

    Raises:
        RunFailed: when there is none.
    """
    for port in random.sample(_PORTS, _TRIED_PORTS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RunFailed(f"No port from {_PORTS.start} to {_PORTS.stop - 1} is free for a server of ours.")


class Server:
    """A command that serves at an address.

    Args:
        command: program and arguments.
        address: where it will listen.
        log: file that gets the command as it is run, and what the server prints.
    """

    def __init__(self, command: Sequence[str], address: Address, log: Path) -> None:
        self.address = address
        self._command = list(command)
        self._log = log
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float) -> None:
        """Start it and wait until it is healthy, ``seconds`` at most.

        Raises:
            NotReady: when there is no such program.
            RunFailed: when it ends before, or takes longer.
        """
        program = self._command[0]
        if shutil.which(program) is None:
            raise NotReady(f"The server {program} (backend.options.server_command) is not installed, or not in $PATH.")
        with self._log.open("ab") as output:
            output.write(f"$ {shlex.join(self._command)}\n".encode())
            output.flush()
            self._keeper = subprocess.Popen(
                [sys.executable, warden.__file__, *self._command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(),
                # Not among the processes that end with ours: it ends them.
                start_new_session=True,
            )
        until = time.monotonic() + seconds
        while True:
            healthy = self._healthy()
            if self._keeper.poll() is not None:  # whoever answers there, it is not ours
                raise RunFailed(f"The server {self.ending()} before it could answer. {self._last_lines()}")
            if healthy:
                return
            if time.monotonic() > until:
                raise RunFailed(
                    f"The server did not answer at {self.address} within {seconds:g} s (runtime.load_timeout). "
                    f"{self._last_lines()}"
                )
            time.sleep(_POLL_SECONDS)

    def wait(self, then: Callable[[str], None]) -> None:
        """Wait until it ends, then say how, in a sentence."""
        assert self._keeper is not None
        self._keeper.wait()
        then(f"The server {self.ending()}. {self._last_lines()}")

    def ending(self) -> str:
        """How it ended, as the end of a sentence."""
        assert self._keeper is not None
        code = self._keeper.returncode
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(code - _SIGNALLED).name}"
        return f"ended with exit code {code}"

    def stop(self) -> None:
        """End it with all its processes, and wait for that; nothing where it was not started."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        try:
            self._keeper.wait(2 * warden.GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()

    def _healthy(self) -> bool:
        try:
            # Some answer other requests before the model is loaded; some have no such path.
            return ask(self.address, "/health")[0] in (200, 404) and ask(self.address, "/v1/models")[0] == 200
        except (OSError, HTTPException):
            return False

    def _last_lines(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"See {self._log}: {' / '.join(lines[-_LINES_SHOWN:])}"


def _environment() -> dict[str, str]:
    """Ours, less the folders of this interpreter: the server's may be another, with packages of its own."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    own |= {str(Path(path, "lib-dynload")) for path in tuple(own) if path}
    environment = dict(os.environ)
    paths = [path for path in environment.pop("PYTHONPATH", "").split(os.pathsep) if path]
    kept = [path for path in paths if path not in own and not path.endswith(".zip")]
    return environment | ({"PYTHONPATH": os.pathsep.join(kept)} if kept else {})
