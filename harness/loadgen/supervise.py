"""supervise(): does a child's work on a thread, while the main thread reports progress and obeys signals.

LoadGen and engines stay in native code for minutes, where Python delivers no signal; a thread that waits gets it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType

from harness.loadgen.events import Events
from harness.loadgen.runner import Metered, Runner
from harness.loadgen.sut import SUT
from mlperf_registry.schema.problem import MlperfError, RunFailed

HEARTBEAT_S = 0.5
INTERRUPTED = 130


class Watch:
    """What the work shows to the main thread."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._sut: SUT | None = None
        self._metered: Metered | None = None
        self.wake = threading.Event()
        """Set when there is nothing more to wait for."""

    def attend(self, sut: SUT, runner: Runner | None = None) -> None:
        """Report the progress of ``sut`` and of its runner's tokens from now on; end the process when it breaks."""
        sut.on_broken = self.wake.set
        self._sut = sut
        self._metered = runner if isinstance(runner, Metered) else None

    @property
    def broken(self) -> Exception | None:
        """What broke the SUT."""
        return None if self._sut is None else self._sut.broken

    def report(self) -> None:
        """Send one progress event; before there is a SUT it only shows that somebody still reads."""
        if self._sut is None:
            self._events.progress(issued=0, completed=0, elapsed_s=0.0)
            return
        samples = self._sut.samples
        # completed first: the other way round a sample could count as done before it counts as issued.
        completed = samples.completed
        issued = samples.issued
        tokens: dict[str, int | None] | None = None
        if self._metered is not None:
            flow = self._metered.token_flow
            ttft_ns, tpot_ns = samples.token_latencies()
            tokens = {
                "count": flow.tokens,
                "running": flow.running,
                "ttft_ns": ttft_ns,
                "tpot_ns": tpot_ns,
            }
        self._events.progress(issued=issued, completed=completed, elapsed_s=samples.elapsed_s, tokens=tokens)


def supervise(events: Events, work: Callable[[Watch], None]) -> int:
    """Do ``work``, and return the exit code 0.

    Ends the process itself, without clean-up that might hang, where the work failed (with the failure's own code),
    where its SUT broke (so that nobody waits ten minutes for LoadGen to issue queries that can only fail), on SIGTERM
    and SIGINT (130), and when nobody reads the events any more.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    watch = Watch(events)
    raised: list[BaseException] = []

    def body() -> None:
        try:
            work(watch)
        except BaseException as error:
            raised.append(error)
        watch.wake.set()

    thread = threading.Thread(target=body, name="test", daemon=True)
    try:
        thread.start()
        while not watch.wake.wait(HEARTBEAT_S):
            watch.report()
        error = watch.broken or (raised[0] if raised else None)
        if error is None:
            thread.join()
            return 0
        said = _said(error)
        events.error(said)
        traceback.print_exception(error)
    except BrokenPipeError:
        said = RunFailed("The parent process is gone.")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(said.exit_code)


def _interrupted(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


def _said(error: BaseException) -> MlperfError:
    return error if isinstance(error, MlperfError) else RunFailed(f"{type(error).__name__}: {error}")
