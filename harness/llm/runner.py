"""LLMRunner: a Runner over the cores of an engine of language models: samples to requests, reports to answers.

What every engine shares is here; a backend says what its cores are. Batches are the engine's own.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Literal, cast

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.dataset import Ragged
from harness.llm.core import Core
from harness.llm.generation import generation_of
from harness.llm.ledger import Ledger, Wrong
from harness.llm.meter import Meter
from harness.llm.order import longest_first
from harness.llm.request import Generation, Request, Tokens
from harness.llm.room import Room
from harness.llm.scheduler import LeastPending, RoundRobin, Scheduler
from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ids, Indices, Sink, TokenFlow
from mlperf_registry.schema.run import Run

PROMPT = "input_ids"
"""Column of the prompts' tokens: Ragged, int32."""
TEXT = "text"
"""Column of the same prompts as UTF-8, where the data set has text: Ragged, uint8."""

_USUAL = 64
"""Requests in flight that keep an engine busy which states neither a capacity nor a batch size."""
_CLOSED = "The engine was closed before it had answered."


class LLMRunner(ABC):
    """Feeds cores and answers for them. A backend's runner defines ``cores``.

    ``submit`` makes requests, and hands them on as far as cores have room; it waits while they have none. A core's
    reports are checked and go to the sink from the thread that reports.
    """

    batching: ClassVar[Literal["harness", "engine"]] = "engine"

    def __init__(self) -> None:
        self._cores: Sequence[Core] = ()
        self._meter = Meter()
        self._ledger = Ledger((), streaming=False)
        self._changed = threading.Condition()
        self._reporting = 0
        self._closing = False

    @abstractmethod
    def cores(self, run: Run) -> Sequence[Core]:
        """The engine's instances, one or more, not yet open.

        Raises:
            NotReady, RunFailed: as Runner.open.
        """

    # What the harness calls.

    @property
    def depth(self) -> int:
        """Requests in flight that keep every core busy."""
        return sum(self._usual if load.capacity is None else load.capacity for load in self._ledger.loads)

    def open(self, run: Run, qsl: QSL, sink: Sink) -> None:
        """Open all cores, side by side where there are several. See Runner."""
        llm, offline = run.workload.llm, run.workload.scenario.name == "Offline"
        self._qsl, self._sink = qsl, sink
        self._segments = (llm.num_sort_segments or 1) if llm.enable_sort and offline else 0
        self._scheduler: Scheduler = RoundRobin() if offline else LeastPending()
        self._usual = llm.trtllm_runtime_flags.max_batch_size or _USUAL
        generation = generation_of(run)
        self._cores = self.cores(run)
        self._open_cores(generation)
        most = llm.trtllm_runtime_flags.max_concurrency
        qsl.tell(Room(PROMPT, self._cores, generation.max_tokens))
        # Some engines know how many requests they hold only once they are open.
        self._ledger = Ledger(
            [(core.name, _least(core.capacity, most)) for core in self._cores], streaming=generation.streaming
        )

    def submit(self, ids: Ids, indices: Indices) -> None:
        """See Runner. Offline the samples that come at once are sorted, where llm.enable_sort says so."""
        requests, head = self._requests(ids, indices), 0
        while head < len(requests):
            with self._changed:
                self._changed.wait_for(lambda: self._closing or not self._ledger.full)
                if self._closing:
                    break
                allotted = self._scheduler.allot(len(requests) - head, self._ledger.loads)
                taken = requests[head : head + len(allotted)]
                self._ledger.submit((request.id for request in taken), allotted)
            head += len(taken)
            for number, core in enumerate(self._cores):
                if share := [request for request, to in zip(taken, allotted, strict=True) if to == number]:
                    core.submit(share)
        if head < len(requests):
            self._sink.fail(_array(request.id for request in requests[head:]), _CLOSED)

    def drain(self) -> None:
        """See Runner."""
        with self._changed:
            self._changed.wait_for(lambda: not self._ledger.open and not self._reporting)

    def close(self) -> None:
        """Close all cores, whatever one of them raises; requests that none has answered fail. See Runner."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        raised: list[Exception] = []
        for core in self._cores:
            try:
                core.close()
            except Exception as error:
                raised.append(error)
        with self._changed:
            left = list(self._ledger.open)
            self._ledger.fail(left)
        if left:
            self._sink.fail(_array(left), _CLOSED)
        if raised:
            raise raised[0]

    @property
    def token_flow(self) -> TokenFlow:
        """See Metered. Where answers stream, a request runs from its first token on."""
        with self._changed:
            running = self._ledger.begun if self._ledger.streaming else None
        return TokenFlow(tokens=self._meter.tokens, running=running)

    # What the cores' listeners call.

    def first_token(self, core: int, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        """First tokens of a core: LoadGen gets the very first of each."""
        if len(tokens) != len(ids):
            self.fail(ids, f"{self._cores[core].name} reported {len(tokens)} first tokens for {len(ids)} requests.")
            return
        with self._changed:
            wrong = self._ledger.first_token(core, ids, [len(some) for some in tokens])
            self._reporting += 1
        sound = _sound(ids, wrong)
        if sound:
            self._sink.first_token(_array(ids[at] for at in sound), [_int32(tokens[at][:1]) for at in sound])
        self._report_wrong(ids, wrong)

    def finish(self, core: int, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        """Answers of a core.

        One of a single token goes to LoadGen as it is, which writes an error about it, as with MLPerf's references.
        """
        if len(outputs) != len(ids):
            self.fail(ids, f"{self._cores[core].name} reported {len(outputs)} answers for {len(ids)} requests.")
            return
        lengths = [len(output) for output in outputs]
        with self._changed:
            wrong = self._ledger.finish(core, ids, lengths)
            self._reporting += 1
        self._meter.finish(sum(lengths))
        sound = _sound(ids, wrong)
        if sound:
            self._sink.complete(
                _array(ids[at] for at in sound),
                [_int32(outputs[at]) for at in sound],
                _array(lengths[at] for at in sound),
            )
        self._report_wrong(ids, wrong)

    def fail(self, ids: Sequence[int], reason: str) -> None:
        """Requests that a core cannot answer."""
        with self._changed:
            self._ledger.fail(ids)
            self._reporting += 1
        self._report_wrong(ids, dict.fromkeys(range(len(ids)), reason))

    def progress(self, tokens: int) -> None:
        """Output tokens of answers that are not complete yet."""
        self._meter.come(tokens)

    # How.

    def _open_cores(self, generation: Generation) -> None:
        listeners = [_Reports(self, number) for number in range(len(self._cores))]
        if len(self._cores) == 1:
            self._cores[0].open(generation, listeners[0])
            return
        with ThreadPoolExecutor(len(self._cores), thread_name_prefix="open") as threads:
            opened = [
                threads.submit(core.open, generation, listener)
                for core, listener in zip(self._cores, listeners, strict=True)
            ]
        for core in opened:
            core.result()

    def _requests(self, ids: Ids, indices: Indices) -> list[Request]:
        prompts, texts = self._column(PROMPT, np.int32), None
        if TEXT in self._qsl.names:
            texts = self._column(TEXT, np.uint8)
        slots = self._qsl.slots(indices)
        if self._segments:
            ordered = longest_first(prompts.offsets[slots + 1] - prompts.offsets[slots], self._segments)
            ids, slots = ids[ordered], slots[ordered]
        # The tokens stay where they are: a request has a view of its row.
        return [
            Request(id_, cast(Tokens, prompts.row(slot)), None if texts is None else texts.row(slot).tobytes().decode())
            for id_, slot in zip(ids.tolist(), slots.tolist(), strict=True)
        ]

    def _column(self, name: str, dtype: type[np.generic]) -> Ragged:
        column = self._qsl.column(name)
        if not isinstance(column, Ragged) or column.values.dtype != dtype:
            raise TypeError(f"The data set's column {name} must be Ragged, of {dtype.__name__}.")
        return column

    def _report_wrong(self, ids: Sequence[int], wrong: Wrong) -> None:
        by_reason: dict[str, list[int]] = {}
        for position, reason in wrong.items():
            by_reason.setdefault(reason, []).append(ids[position])
        for reason, struck in by_reason.items():
            self._sink.fail(_array(struck), reason)
        with self._changed:
            self._reporting -= 1
            self._changed.notify_all()


@attrs.frozen
class _Reports:
    """The Listener of one core."""

    runner: LLMRunner
    core: int

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        self.runner.first_token(self.core, ids, tokens)

    def progress(self, tokens: int) -> None:
        self.runner.progress(tokens)

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        self.runner.finish(self.core, ids, outputs)

    def fail(self, ids: Sequence[int], reason: str) -> None:
        self.runner.fail(ids, reason)


def _least(*limits: int | None) -> int | None:
    # max_concurrency is -1 where there is no limit.
    return min((limit for limit in limits if limit is not None and limit > 0), default=None)


def _sound(ids: Sequence[int], wrong: Wrong) -> Sequence[int]:
    everything = range(len(ids))
    return [position for position in everything if position not in wrong] if wrong else everything


def _array(numbers: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(numbers, np.int64)


def _int32(tokens: Tokens) -> Tokens:
    # LoadGen's log holds the bytes as they are, and whoever scores it reads int32.
    return np.ascontiguousarray(tokens, np.int32)
