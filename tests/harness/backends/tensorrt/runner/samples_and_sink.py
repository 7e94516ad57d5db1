"""What stands on either side of a runner: samples whose answers are known, and a Sink that is a SUT's."""

from __future__ import annotations

import numpy as np

TOTAL = 64
FIRST = 1000


class Numbers:
    """Sample i is FIRST + i, in rows of the width that the plan takes."""

    def __init__(self, width=2, total=TOTAL):
        self._width, self._total = width, total

    def __len__(self):
        return self._total

    def load(self, indices):
        return {"number": np.repeat(FIRST + indices[:, None], self._width, axis=1)}


class Forward:
    """A Sink whose SUT comes later: a runner is opened with its sink, and here a SUT is made with its runner."""

    def complete(self, ids, outputs, token_counts=None):
        self.sut.complete(ids, outputs)

    def fail(self, ids, reason):
        self.sut.fail(ids, reason)
