"""SUT: what LoadGen issues queries to and a runner reports to; numbers samples, checks reports, answers LoadGen.

Every issued sample is answered exactly once, whatever the runner does, so that LoadGen always ends; a run in which
something went wrong says so in ``failures`` or ``broken``, and is not valid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic_ns
from typing import Any, cast

import attrs
import numpy as np
import numpy.typing as npt

from harness.loadgen.batcher import Batcher, Direct
from harness.loadgen.binding import loadgen
from harness.loadgen.response import Landing, Responses, Rows
from harness.loadgen.runner import AtOnce, Ended, Ids, Immediate, Indices, Runner
from harness.loadgen.samples import Samples
from mlperf_registry.schema.problem import RunFailed

_REASONS_KEPT = 20
_TAKEN_AT_ONCE = 1 << 14
"""About as many samples of a query are recorded before the engine gets them: a millisecond's work."""


@attrs.frozen
class Answers:
    """Where completed samples go: to LoadGen, or to whoever stands in for it during warm-up and probe."""

    complete: Callable[[list[Any]], object]
    first_token: Callable[[list[Any]], object]
    """None of its calls where latencies are not per token."""

    @classmethod
    def to_loadgen(cls) -> Answers:
        """LoadGen itself."""
        lg = loadgen()
        return cls(lg.QuerySamplesComplete, lg.FirstTokenComplete)


class SUT:
    """Queue and batcher before a runner, checks and answers behind it. Implements Sink.

    Args:
        runner: where batches go; opened by the caller, with this SUT as its sink.
        batch_size: most samples in a batch; not looked at where the engine batches.
        hold_ns: how long the batcher holds back a partly filled batch; 0 never.
        direct: whether LoadGen issues a query only when the one before is answered, so that no batcher is needed.
        answers: who is told of completed samples.
        token_counts: whether each completion must carry its number of output tokens.
        first_tokens: whether each sample's first token must be reported before its completion.
        respond: makes LoadGen's answers of the runner's outputs, row for row.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        batch_size: int,
        hold_ns: int = 0,
        direct: bool = False,
        answers: Answers,
        token_counts: bool = False,
        first_tokens: bool = False,
        respond: Callable[[Any], Rows] | None = None,
    ) -> None:
        self.samples = Samples()
        self.broken: Exception | None = None
        """What ended the runner's or the QSL's work; every later sample fails at once."""
        self.on_broken: Callable[[], None] = lambda: None
        """Called once when ``broken`` is set, from whatever thread found out."""
        self._runner = runner
        self._answers = answers
        self._responses = Responses()
        self._token_counts = token_counts
        self._first_tokens = first_tokens
        self._respond = respond
        self._reasons: dict[str, int] = {}
        self._lock = threading.Lock()
        self._base = 0
        """The batcher's number of sample 0."""
        size = batch_size if runner.batching == "harness" else None
        self._part = max(1, _TAKEN_AT_ONCE // batch_size) * batch_size
        self._largest = inf if size is None else size
        self._direct = direct
        self._landing = Landing(self._responses)
        self._immediate: Immediate | None = None
        """Who answers in LoadGen's own thread, where the runner has somebody for it."""
        self._batcher: Batcher | Direct
        if direct:
            self._batcher = Direct(self._submit, size=size)
        else:
            self._batcher = Batcher(
                self._submit, on_error=self._break, size=size, hold_ns=hold_ns, arrival_ns=self._arrival_ns
            )
        self._batcher.start()

    @property
    def failures(self) -> list[str]:
        """Why the run is not valid: one sentence for each reason, with the number of samples it struck."""
        with self._lock:
            return [f"{reason} ({count} sample{'' if count == 1 else 's'})" for reason, count in self._reasons.items()]

    def restart(self, answers: Answers, capacity: int) -> None:
        """Number samples from 0 again and answer elsewhere; only while every sample issued is answered.

        Args:
            answers: who is told of completed samples from now on.
            capacity: samples that are expected, which memory is reserved for.
        """
        self._base = self._batcher.issued
        runner = self._runner
        at_once = self._direct and not self._first_tokens and isinstance(runner, AtOnce)
        self._immediate = cast(AtOnce, runner).immediate if at_once else None
        self.samples = Samples(capacity, touched=self._direct)
        self._answers = answers

    def stop(self) -> None:
        """End the batcher's thread, after it has handed on what it holds."""
        self._batcher.stop()

    # What LoadGen calls. An exception that reached LoadGen would end the process without a word.

    def issue(self, loadgen_ids: Sequence[int], indices: Sequence[int]) -> None:
        """LoadGen's issue callback, in the form of ``ConstructFastSUT``: two lists of integers.

        ``ConstructSUT`` gives one list of QuerySample objects instead, whose attributes cost 0.5 us a sample to read.
        With it, on two cores, an instant engine answers 0.53 million samples/s Offline instead of 0.9 million, and a
        single sample takes 0.8 us longer.
        """
        if self._immediate is not None:
            if len(indices) <= self._largest and self.broken is None:
                self._answer_at_once(loadgen_ids, indices)
                return
            # The batcher has not counted what was answered at once.
            self._base = self._batcher.issued - self.samples.issued
        try:
            count, part = len(indices), self._part
            if count <= part:
                self.samples.append(loadgen_ids, indices)
                self._batcher.put(count)
            else:
                # A minute's samples in one query: the engine starts on the first while the others are taken in.
                now = monotonic_ns()
                for first in range(0, count, part):
                    some = slice(first, first + part)
                    self.samples.append(loadgen_ids[some], indices[some], now)
                    self._batcher.put(min(part, count - first))
            if self.broken is not None:  # the batcher may be what broke
                self._answer_empty(np.arange(self.samples.issued - count, self.samples.issued))
        except Exception as error:
            self._break(error)

    def _answer_at_once(self, loadgen_ids: Sequence[int], indices: Sequence[int]) -> None:
        """The whole way of a query of one batch, where no other is under way: nobody else reports on its samples."""
        samples, count = self.samples, len(indices)
        now = monotonic_ns()
        assert self._immediate is not None
        try:
            try:
                self._immediate.begin(indices)
            finally:  # the query counts as issued, whatever became of it
                samples.append(loadgen_ids, indices, now)
            self._landing.prepare(loadgen_ids)
            outputs: Rows = self._immediate.end()
            if self._respond is not None:
                outputs = self._respond(outputs)
            responses = self._landing.take(outputs)
            if responses is None:
                wrong = self._form_error(indices, outputs, None)
                if wrong is not None:
                    self.fail(np.arange(samples.issued - count, samples.issued), wrong)
                    return
                self._landing.expect(outputs)
                responses = self._responses.of(loadgen_ids, outputs)
            now = monotonic_ns()
            self._answers.complete(responses)
            samples.complete_last(count, now)
        except Ended as error:
            self._break(error)
        except RunFailed as error:
            self.fail(np.arange(samples.issued - count, samples.issued), str(error))
        except Exception as error:
            self._break(error)

    def flush(self) -> None:
        """LoadGen's flush callback."""
        self._batcher.flush()

    def guard(self, callback: Callable[[Sequence[int]], None]) -> Callable[[Sequence[int]], None]:
        """``callback`` of the QSL, with an exception made the end of the run."""

        def guarded(indices: Sequence[int]) -> None:
            try:
                callback(indices)
            except Exception as error:
                self._break(error)

        return guarded

    # What the batcher calls.

    def _arrival_ns(self, number: int) -> int:
        return int(self.samples.issue_ns[number - self._base])

    def _submit(self, first: int, stop: int) -> None:
        first, stop = first - self._base, stop - self._base
        ids: Ids = np.arange(first, stop)
        if self.broken is not None:
            self._answer_empty(ids)
            return
        indices: Indices = self.samples.index[first:stop]
        try:
            self._runner.submit(ids, indices)
        except Exception as error:
            self._break(error)

    # What the runner calls.

    def complete(self, ids: Ids, outputs: Rows, token_counts: npt.NDArray[np.int64] | None = None) -> None:
        """See Sink. What is wrong with a report fails its samples and becomes a reason why the run is not valid."""
        try:
            if self._respond is not None:
                outputs = self._respond(outputs)
            wrong = self._form_error(ids, outputs, token_counts)
            if wrong is None and len(ids):
                wrong = self.samples.complete(ids, token_counts, first_token=self._first_tokens)
            if wrong is not None:
                self.fail(ids, wrong)
            elif len(ids):
                self._answers.complete(self._responses.of(self.samples.loadgen_ids(ids), outputs, token_counts))
        except Exception as error:
            self._break(error)

    def first_token(self, ids: Ids, tokens: Rows) -> None:
        """See Sink."""
        try:
            wrong = self._form_error(ids, tokens, None, first=True)
            if wrong is None and len(ids):
                wrong = self.samples.first_token(ids)
            if wrong is not None:
                self.fail(ids, wrong)
            elif len(ids) and self._first_tokens:
                self._answers.first_token(self._responses.of(self.samples.loadgen_ids(ids), tokens, None))
        except Exception as error:
            self._break(error)

    def fail(self, ids: Ids, reason: str) -> None:
        """See Sink: LoadGen gets an empty response for each sample that is still open."""
        if self.broken is None:
            self._note(reason, len(ids))
        try:
            self._answer_empty(np.asarray(ids, np.int64))
        except Exception as error:
            self._break(error)

    def _form_error(
        self, ids: Ids | Sequence[int], rows: Rows, token_counts: npt.NDArray[np.int64] | None, *, first: bool = False
    ) -> str | None:
        if len(rows) != len(ids):
            return f"The runner reported {len(rows)} rows of output for {len(ids)} samples."
        if isinstance(rows, np.ndarray):
            contiguous = rows.flags.c_contiguous
        else:
            contiguous = all(row.flags.c_contiguous for row in rows)
        if not contiguous:
            return "The runner reported output that is not C-contiguous."
        if token_counts is None:
            if self._token_counts and not first:
                return "The runner reported no token counts, and this benchmark's latencies are per token."
        elif len(token_counts) != len(ids):
            return f"The runner reported {len(token_counts)} token counts for {len(ids)} samples."
        return None

    # When something is wrong.

    def _note(self, reason: str, count: int) -> None:
        with self._lock:
            if reason not in self._reasons and len(self._reasons) >= _REASONS_KEPT:
                reason = "Other reasons."
            self._reasons[reason] = self._reasons.get(reason, 0) + count

    def _break(self, error: Exception) -> None:
        with self._lock:
            if self.broken is not None:
                return
            self.broken = error
        self.on_broken()
        # What the runner still holds may never come back; what the batcher holds is failed in its turn.
        self._answer_empty(np.arange(self.samples.issued))

    def _answer_empty(self, ids: Ids) -> None:
        ids, tokenless = self.samples.close(ids)
        # LoadGen reads the first token's time unasked, past the end of its table where there was none.
        if self._first_tokens and len(tokenless):
            self._answers.first_token(self._responses.empty(self.samples.loadgen_ids(tokenless)))
        if len(ids):
            self._answers.complete(self._responses.empty(self.samples.loadgen_ids(ids)))
