"""Events: what a child process tells its parent while it works, as JSON lines on a pipe.

    {"event": "phase", "name": "load" | "warmup" | "run" | "write"}
    {"event": "progress", "issued": n, "completed": n, "elapsed_s": x}     twice a second from the warm-up on
    {"event": "done", "issued": n, "completed": n, "failures": [...], "loadgen_version": "..."}
    {"event": "probe", "samples_per_second": x, "latency_ns": n, "multi_stream_latency_ns": n}
    {"event": "error", "kind": "NotReady" | "RunFailed", "message": "..."}

Progress keeps coming from a run that hangs: it counts as hung when ``completed`` stays below ``issued`` and still.
"""

from __future__ import annotations

import json
import os
import threading


class Events:
    """Writer of the pipe; callable from any thread.

    Every method raises BrokenPipeError once nobody reads any more.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()

    def _send(self, event: str, **fields: object) -> None:
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._handle, line) :]

    def phase(self, name: str) -> None:
        """What the child does from now on."""
        self._send("phase", name=name)

    def progress(self, *, issued: int, completed: int, elapsed_s: float) -> None:
        """How far the current phase is."""
        self._send("progress", issued=issued, completed=completed, elapsed_s=round(elapsed_s, 3))

    def done(self, *, issued: int, completed: int, failures: list[str], loadgen_version: str) -> None:
        """The test ended, valid or not."""
        self._send("done", issued=issued, completed=completed, failures=failures, loadgen_version=loadgen_version)

    def probe(self, *, samples_per_second: float, latency_ns: int, multi_stream_latency_ns: int) -> None:
        """What the probe measured."""
        self._send(
            "probe",
            samples_per_second=samples_per_second,
            latency_ns=latency_ns,
            multi_stream_latency_ns=multi_stream_latency_ns,
        )

    def error(self, kind: str, message: str) -> None:
        """Why the child ends without a result."""
        self._send("error", kind=kind, message=message)
