"""Worker: a Client in a process of its own, for servers that answer faster than one Python process can read.

Only the ends of requests, and first tokens, come to the harness's process; the reading of streams stays here.
``python -m harness.backends.openai_endpoint.worker FD`` is the process: it is told what to do on a socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.answer import encoder
from harness.backends.openai_endpoint.client import Client
from harness.backends.openai_endpoint.exchange import Counts, Limits
from harness.backends.openai_endpoint.interface import Interface
from harness.benchmarks.dataset import Ragged
from harness.llm.core import Listener
from harness.llm.request import Request, Tokens
from mlperf_registry.schema.problem import MlperfError, RunFailed

_START_SECONDS = 120.0
"""For Python, our modules and a tokeniser, on a machine that has an engine's start to do as well."""
_END_SECONDS = 5.0


class Worker:
    """The harness's end of it; as Client."""

    def __init__(self, address: Address, interface: Interface, limits: Limits, listener: Listener) -> None:
        self.counts = Counts()
        self._name = str(address)
        self._listener = listener
        self._open: set[int] = set()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._reason: str | None = None
        self._closing = False
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
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
        self._thread = threading.Thread(target=self._listen, name=f"worker of {self._name}", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Request]) -> None:
        """See Client."""
        ids = [request.id for request in requests]
        with self._lock:
            reason = self._reason
            if reason is None:
                self._open.update(ids)
        if reason is not None:
            self._listener.fail(ids, reason)
            return
        prompts = _joined([request.prompt for request in requests])
        try:
            self._send("submit", ids, prompts, [request.text for request in requests])
        except OSError:
            self.give_up(f"A client process of {self._name} ended.")

    def give_up(self, reason: str) -> None:
        """See Client."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
            left, self._open = sorted(self._open), set()
            reason = self._reason
        if left:
            self._listener.fail(left, reason)

    def close(self) -> None:
        """See Client."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._send("close")
        self._thread.join(_END_SECONDS)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._pipe.close()

    def _send(self, *message: object) -> None:
        with self._sending:
            self._pipe.send(message)

    def _listen(self) -> None:
        try:
            while True:
                kind, *content = self._pipe.recv()
                self._hear(kind, content)
        except (EOFError, OSError):
            if not self._closing:
                self.give_up(f"A client process of {self._name} ended.")

    def _hear(self, kind: str, content: list[Any]) -> None:
        if kind == "progress":
            self._listener.progress(content[0])
        elif kind == "counts":
            self.counts = content[0]
        else:
            ids, what = content
            with self._lock:
                # Those given up have had their end.
                kept = [position for position, id_ in enumerate(ids) if id_ in self._open]
                if kind != "first_token":
                    self._open.difference_update(ids)
            if len(kept) < len(ids):
                ids = [ids[position] for position in kept]
            if not ids:
                return
            if kind == "fail":
                self._listener.fail(ids, what)
            else:
                getattr(self._listener, kind)(ids, [what.row(position) for position in kept])


class _Sender:
    """The Listener in the process: tells the harness's."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        self.send("first_token", list(ids), _joined(tokens))

    def progress(self, tokens: int) -> None:
        self.send("progress", tokens)

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        self.send("finish", list(ids), _joined(outputs))

    def fail(self, ids: Sequence[int], reason: str) -> None:
        self.send("fail", list(ids), reason)

    def send(self, *message: object) -> None:
        with self._lock:
            self._pipe.send(message)


def _joined(rows: Sequence[npt.NDArray[np.int32]]) -> Ragged:
    """One array in place of many: ten times quicker to pickle."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(np.concatenate(rows), offsets)


def main(handle: int) -> None:
    """Serve one Worker until it closes, or is gone."""
    pipe = Connection(handle)
    address, interface, limits = pipe.recv()
    sender = _Sender(pipe)
    try:
        encode = None if interface.tokenizer is None else encoder(Path(interface.tokenizer))
    except MlperfError as error:
        pipe.send(error)
        return
    client = Client(address, interface, limits, sender, encode=encode)
    pipe.send(None)
    try:
        while True:
            kind, *content = pipe.recv()
            if kind == "close":
                break
            ids, prompts, texts = content
            client.submit(
                [Request(id_, prompts.row(at), text) for at, (id_, text) in enumerate(zip(ids, texts, strict=True))]
            )
    except (EOFError, OSError):
        return
    client.close()
    sender.send("counts", client.counts)


if __name__ == "__main__":
    main(int(sys.argv[1]))
