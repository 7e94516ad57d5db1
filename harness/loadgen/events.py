"""Events: what a child process tells its parent while it works, as JSON lines on a pipe.

    {"event": "phase", "name": "load" | "warmup" | "probe" | "run" | "close" | "write"}
    {"event": "progress", "issued": n, "completed": n, "elapsed_s": x}     twice a second in every phase; with
        "tokens": {"count": n, "running": n, "ttft_ns": n, "tpot_ns": n} from a language model
    {"event": "done", "failures": [...], "remarks": [...]}
    {"event": "probe", "samples_per_second": x, "latency_ns": n, "multi_stream_latency_ns": n}
    {"event": "note", "message": "..."}
    {"event": "error", "kind": "NotReady" | "RunFailed", "message": "..."}
    {"event": "error", "kind": "ConfigError", "message": "...", "problems": [{"path": "...", "message": "...", ...}]}

The phase is ``load`` whenever samples are loaded, also between and within the others. Progress keeps coming from a
child that hangs: only in ``run``, with every sample issued completed, is a count that stands still no sign of it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlperf_registry.schema.problem import MlperfError, as_event


class Events:
    """Writer of the pipe; callable from any thread.

    Every method raises BrokenPipeError once nobody reads any more.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lock = threading.Lock()
        self._phase = "load"

    def _send(self, event: str, **fields: object) -> None:
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._handle, line) :]

    def phase(self, name: str) -> None:
        """What the child does from now on."""
        self._phase = name
        self._send("phase", name=name)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Within, samples are loaded; after, the phase is what it was."""
        before = self._phase
        self.phase("load")
        try:
            yield
        finally:
            self.phase(before)

    def progress(
        self, *, issued: int, completed: int, elapsed_s: float, tokens: dict[str, int | None] | None = None
    ) -> None:
        """Samples of the current run or exercise so far.

        ``tokens``, of a language model: ``count`` of output tokens since it was opened, samples ``running`` where the
        engine tells, 99th percentiles ``ttft_ns`` and ``tpot_ns`` where there are such times.
        """
        of_tokens = {} if tokens is None else {"tokens": tokens}
        self._send("progress", issued=issued, completed=completed, elapsed_s=round(elapsed_s, 3), **of_tokens)

    def done(self, *, failures: list[str], remarks: Sequence[str] = ()) -> None:
        """The test ended, valid or not; ``remarks`` are what a reader of its result must know."""
        self._send("done", failures=failures, remarks=list(remarks))

    def probe(
        self,
        *,
        samples_per_second: float,
        peak_samples_per_second: float,
        latency_ns: int,
        multi_stream_latency_ns: int | None,
    ) -> None:
        """What the probe measured; no latency of MultiStream where the benchmark has no such scenario."""
        self._send(
            "probe",
            samples_per_second=samples_per_second,
            peak_samples_per_second=peak_samples_per_second,
            latency_ns=latency_ns,
            multi_stream_latency_ns=multi_stream_latency_ns,
        )

    def note(self, message: str) -> None:
        """Something that whoever watches should know, though nothing ends for it."""
        self._send("note", message=message)

    def error(self, error: MlperfError) -> None:
        """Why the child ends without a result."""
        self._send("error", **as_event(error))
