"""Worker: a Client in a process of its own, for servers that answer faster than one Python process can read.

Only the ends of requests, and first tokens, come to the harness's process; the reading of streams stays here.
``python -m harness.backends.openai_endpoint.worker FD`` is the process: it is told what to do on a socket.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.answer import encoder
from harness.backends.openai_endpoint.client import Client
from harness.backends.openai_endpoint.exchange import Counts, Limits
from harness.backends.openai_endpoint.interface import Interface
from harness.llm.core import Listener
from harness.llm.pipe import Answerer, Reports, take_requests
from harness.llm.request import Request
from mlperf_registry.process import command, environment
from mlperf_registry.schema.problem import MlperfError, RunFailed

_START_SECONDS = 120.0
"""For Python, our modules and a tokeniser, on a machine that has an engine's start to do as well."""
_END_SECONDS = 5.0


class Worker:
    """The harness's end of it; as Client."""

    def __init__(self, address: Address, interface: Interface, limits: Limits, listener: Listener) -> None:
        self._name = str(address)
        self._listener = listener
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                command(__name__, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )
        self._pipe = Connection(ours.detach())
        self._pipe.send((address, interface, limits))
        try:
            late = f"A client process of {self._name} was not ready within {_START_SECONDS:g} s, and was ended."
            fault = self._pipe.recv() if self._pipe.poll(_START_SECONDS) else late
        except (EOFError, OSError):
            fault = f"A client process of {self._name} did not start; the log of this run says why."
        if fault is not None:
            self._pipe.close()
            self._process.kill()
            self._process.wait()
            raise fault if isinstance(fault, MlperfError) else RunFailed(fault)
        lost = f"A client process of {self._name} ended."
        self._answerer = Answerer(self._pipe, f"worker of {self._name}", listener, lambda: lost)

    @property
    def counts(self) -> Counts:
        """See Client; known once closed."""
        ended: Counts | None = self._answerer.ended
        return ended or Counts()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Client."""
        try:
            self._answerer.submit(requests)
        except RunFailed as error:
            self._listener.fail([request.id for request in requests], str(error))

    def give_up(self, reason: str) -> None:
        """See Client."""
        self._answerer.give_up(reason)

    def close(self) -> None:
        """See Client."""
        self._answerer.close()
        self._answerer.join(_END_SECONDS)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answerer.join()
        self._pipe.close()


def main(handle: int) -> None:
    """Serve one Worker until it closes, or is gone."""
    pipe = Connection(handle)
    address, interface, limits = pipe.recv()
    reports = Reports(pipe)
    try:
        encode = None if interface.tokenizer is None else encoder(Path(interface.tokenizer))
    except MlperfError as error:
        pipe.send(error)
        return
    client = Client(address, interface, limits, reports, encode=encode)
    pipe.send(None)
    reports.start()
    take_requests(pipe, client.submit, reports)
    client.close()
    reports.end(client.counts)


if __name__ == "__main__":
    main(int(sys.argv[1]))
