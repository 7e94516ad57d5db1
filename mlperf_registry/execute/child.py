"""One child process with LoadGen in it: start it, follow its events, and end it whatever happens.

LoadGen keeps state for a whole process and an engine may crash: neither may touch the process that holds a sweep.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlperf_registry.execute.length import Length
from mlperf_registry.execute.pace import Pace
from mlperf_registry.execute.progress import Progress, TokenProgress
from mlperf_registry.process import running
from mlperf_registry.schema.problem import RunFailed, from_event

_CHILD = "harness.loadgen.child"
_PROBE = "harness.loadgen.probe"
_GRACE_SECONDS = 5.0
_SHOWN = 200


def run_test(
    run_json: Path,
    test: str,
    *,
    log: Path,
    load_seconds: float,
    stall_seconds: float,
    length: Length,
    progress: Progress,
) -> dict[str, Any]:
    """One LoadGen test in a child process; returns its ``done`` event.

    Args:
        run_json: the run's file.
        test: key of ``Run.tests``.
        log: file for the child's stdout and stderr.
        load_seconds: a child that opens its engine, or loads samples, for longer counts as hung.
        stall_seconds: in any other phase, without any sample completed, or any output token of a language model, for
            so long the child counts as hung.
        length: what the test lasts at least, for the progress display.

    Raises:
        NotReady, RunFailed, ConfigError: as the child says, or when it crashed or hung.
    """
    watch = _Watch(load_seconds, stall_seconds, length, progress)
    return _follow([_CHILD, str(run_json), test], "done", log, watch)


def run_probe(
    run_json: Path, *, log: Path, load_seconds: float, stall_seconds: float, progress: Progress
) -> dict[str, Any]:
    """Measure the engine without LoadGen; returns the ``probe`` event. Raises as ``run_test``."""
    return _follow([_PROBE, str(run_json)], "probe", log, _Watch(load_seconds, stall_seconds, Length(0.0, 0), progress))


def _follow(module: list[str], last: str, log: Path, watch: _Watch) -> dict[str, Any]:
    answer: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    try:
        with _started(module, log) as (child, events):
            for event in _events(events, watch):
                kind = event.get("event")
                if kind == last:
                    answer = event
                elif kind == "error":
                    error = event
            code = child.wait(timeout=watch.stall_seconds if answer is not None else _GRACE_SECONDS)
    except _Hung as hung:
        raise RunFailed(f"The child process {hung} and was ended. See {log}.") from None
    except _NoEvent as wrong:
        raise RunFailed(f"The child process sent {wrong}, which is no event, and was ended. See {log}.") from None
    except subprocess.TimeoutExpired:
        raise RunFailed(f"The child process closed its events and did not exit; it was ended. See {log}.") from None
    if error is not None:
        raise from_event(error)
    if code != 0 or answer is None:
        raise RunFailed(f"The child process {_how(code)} before its test was over. See {log}: {_last_line(log)}")
    return answer


@contextlib.contextmanager
def _started(module: list[str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A child process and the handle that its events come from; both are gone at the end, however it comes."""
    events, theirs = os.pipe()
    try:
        with contextlib.ExitStack() as stack:
            try:
                with log.open("ab") as output:
                    child = stack.enter_context(
                        running(
                            *module,
                            *("--events", str(theirs)),
                            grace=_GRACE_SECONDS,
                            stdin=subprocess.DEVNULL,
                            stdout=output,
                            stderr=subprocess.STDOUT,
                            pass_fds=(theirs,),
                        )
                    )
            finally:
                os.close(theirs)
            yield child, events
    finally:
        os.close(events)


class _Hung(Exception):
    """No progress for too long; what the child did instead."""


class _NoEvent(Exception):
    """A line that is none of a child's events."""


class _Watch:
    """What phase the child is in, when it last got further, and the rate since."""

    def __init__(self, load_seconds: float, stall_seconds: float, length: Length, progress: Progress) -> None:
        self._load_seconds = load_seconds
        self.stall_seconds = stall_seconds
        self._length = length
        self._show = progress
        self._phase = "load"
        self._alive = time.monotonic()
        self._completed = 0
        self._tokens = 0
        self._pace = Pace()
        self._token_pace: Pace | None = None

    def hear(self, event: dict[str, Any]) -> None:
        """Take in an event."""
        if event.get("event") == "progress":
            self._progress(
                int(event["issued"]), int(event["completed"]), float(event["elapsed_s"]), event.get("tokens")
            )
            return
        self._alive = time.monotonic()
        if event.get("event") == "phase":
            self._phase = str(event["name"])
        elif event.get("event") == "note":
            self._show.note(str(event["message"]))

    def require_alive(self) -> None:
        """Check that the child gets on.

        Raises:
            _Hung: when it does not.
        """
        silent = time.monotonic() - self._alive
        if self._phase == "load" and silent > self._load_seconds:
            raise _Hung(f"was still loading after {self._load_seconds:g} s (runtime.load_timeout)")
        if self._phase != "load" and silent > self.stall_seconds:
            raise _Hung(
                f"made no progress for {self.stall_seconds:g} s (runtime.stall_timeout) in its phase {self._phase!r}"
            )

    def _progress(self, issued: int, completed: int, elapsed: float, tokens: dict[str, Any] | None) -> None:
        # With nothing under way there is nothing to wait for: a Server run at a low rate is not hung. Before the first
        # query and after the last one it is the child's own work that must get on.
        idle = self._phase == "run" and completed == issued > 0
        count = 0 if tokens is None else int(tokens["count"])
        before = self._tokens
        if completed != self._completed or count != before or idle:
            self._alive = time.monotonic()
        self._completed, self._tokens = completed, count
        if self._phase != "run":
            return
        if self._token_pace is None:
            self._token_pace = Pace(before)  # those of the warm-up are not the run's
        token_rate = self._token_pace.at(elapsed, count)
        self._show.samples(
            completed=completed,
            rate=self._pace.at(elapsed, completed),
            elapsed=elapsed,
            length=self._length,
            tokens=None if tokens is None else _token_progress(tokens, issued - completed, token_rate),
        )


def _events(handle: int, watch: _Watch) -> Iterator[dict[str, Any]]:
    """The child's events until it closes the pipe, each shown to ``watch`` first."""
    rest = b""
    while True:
        ready, _, _ = select.select([handle], [], [], 0.2)
        if ready:
            block = os.read(handle, 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                event = _parse(line)
                watch.hear(event)
                yield event
        watch.require_alive()


def _token_progress(tokens: dict[str, Any], under_way: int, rate: float) -> TokenProgress:
    return TokenProgress(
        rate=rate,
        under_way=under_way,
        running=tokens["running"],
        ttft_ns=tokens["ttft_ns"],
        tpot_ns=tokens["tpot_ns"],
    )


def _parse(line: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict):
            return event
    raise _NoEvent(repr(line[:_SHOWN].decode(errors="replace")))


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it is empty"
