"""The contract between the harness and an engine library: Runner, and the Sink that it reports to.

Asynchronous on purpose: a runner may keep several devices and streams busy, complete out of order, and report first
tokens. The harness numbers samples itself: an id is the position of a sample in the order of issue, from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt

from harness.loadgen.qsl import QSL
from mlperf_registry.schema.problem import RunFailed
from mlperf_registry.schema.run import Run

Ids = npt.NDArray[np.int64]
"""Sample ids, shape [n]."""
Indices = npt.NDArray[np.int64]
"""Positions in the data set, shape [n]."""


class Sink(Protocol):
    """Where a runner reports. Callable from any thread, in any order; arrays are the runner's again on return."""

    def complete(
        self,
        ids: Ids,
        outputs: npt.NDArray[np.generic] | Sequence[npt.NDArray[np.generic]],
        token_counts: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """The samples ``ids`` are done: each id once over a run; token counts, [n], where latencies are per token."""

    def first_token(self, ids: Ids, tokens: npt.NDArray[np.generic] | Sequence[npt.NDArray[np.generic]]) -> None:
        """The first token of each of ``ids`` is out; before ``complete`` of the same id."""

    def fail(self, ids: Ids, reason: str) -> None:
        """The samples cannot be done. The run goes on to its end, and is not valid."""


class Runner(Protocol):
    """An engine library that executes samples of a QSL."""

    batching: ClassVar[Literal["harness", "engine"]]
    """Who forms batches: the harness's batcher before ``submit``, or the engine (continuous batching)."""

    @property
    def depth(self) -> int:
        """Full batches in flight that keep every device busy while the next ones form; known once open.

        Where the engine batches: samples.
        """

    def open(self, run: Run, qsl: QSL, sink: Sink) -> None:
        """Load the engine and start threads. Raises NotReady or RunFailed; samples may not be loaded yet."""

    def submit(self, ids: Ids, indices: Indices) -> None:
        """Take samples; returns soon, but may block while enough batches are in flight (back-pressure).

        With ``batching = "harness"`` at most ``gpu_batch_size`` samples come at once. Called from one thread.
        """

    def drain(self) -> None:
        """Return when every sample submitted has been reported."""

    def close(self) -> None:
        """Free everything. Called once, also after a failure of ``open``."""


@attrs.frozen(kw_only=True)
class TokenFlow:
    """How an engine of language models gets on."""

    tokens: int
    """Output tokens since it was opened."""
    running: int | None
    """Samples that it is generating answers of; None where it does not tell those from the samples that wait in it."""


@runtime_checkable
class Metered(Protocol):
    """A Runner that can say how its output tokens come."""

    @property
    def token_flow(self) -> TokenFlow:
        """How it gets on; read from any thread while the runner is open."""


@runtime_checkable
class Remarking(Protocol):
    """A Runner that has something to say of a test beside its answers, such as what it had to ask for twice."""

    @property
    def remarks(self) -> Sequence[str]:
        """Sentences; complete once the runner is closed."""


class Ended(RunFailed):
    """The runner answers no more queries."""


class Immediate(Protocol):
    """Answers a query in the thread that asks, where one query is under way at a time.

    Nothing is handed from thread to thread or looked up twice then, and every microsecond is part of a latency: what
    need not be done before the query begins or after it has ended is done in between, while the device works.
    """

    def begin(self, indices: Sequence[int]) -> None:
        """Put a query on its way; the next one only after ``end``, or when this has raised.

        No more samples come than to a runner's ``submit``, which gets a larger query batch by batch.

        Raises:
            RunFailed: when this query cannot be answered; Ended when no later one can be, either.
        """

    def end(self) -> npt.NDArray[Any]:
        """Wait for the query and return its samples' outputs, shape [n, ...], which stay until the next ``begin``.

        Raises:
            RunFailed: as ``begin``.
        """


@runtime_checkable
class AtOnce(Protocol):
    """A Runner that can do without queue and threads."""

    @property
    def immediate(self) -> Immediate | None:
        """Who answers queries instead of ``submit``; None where they go that way. Known once open."""
