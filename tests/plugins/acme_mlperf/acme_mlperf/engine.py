"""The engine library of parity: a builder that writes a small JSON engine, and a runner with a thread of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from harness.loadgen.qsl import QSL
from harness.loadgen.runner import Ids, Indices, Sink
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.run import Run

ENGINE_FILE = "parity.engine"
BATCHES_IN_FLIGHT = 2

Engine = Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]]
"""From samples to answers, row for row."""


class AcmeBuilder:
    """Copies the model's weights, less those of pruned bits."""

    version: ClassVar[int] = 1

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine into ``folder`` and return its file name."""
        weights = json.loads(Path(recipe.model_path).read_text())["weights"]
        pruned = recipe.values["backend.options.pruned_bits"]
        kept = len(weights) - pruned
        (folder / ENGINE_FILE).write_text(json.dumps({"weights": weights[:kept] + [0] * pruned}))
        return ENGINE_FILE


class AcmeRunner:
    """Implements Runner: ``submit`` returns at once, and a thread reports what it has computed."""

    batching: ClassVar[Literal["harness", "engine"]] = "harness"
    depth: ClassVar[int] = BATCHES_IN_FLIGHT

    def __init__(self) -> None:
        self._batches: Queue[tuple[Ids, Indices] | None] = Queue(BATCHES_IN_FLIGHT)
        self._thread = threading.Thread(target=self._execute, name="acme", daemon=True)

    def open(self, run: Run, qsl: QSL, sink: Sink) -> None:
        """Load the engine and start the thread."""
        self._engine = self.load(run)
        self._qsl, self._sink = qsl, sink
        self._thread.start()

    def load(self, run: Run) -> Engine:
        """The engine of a run."""
        weights = np.array(json.loads(Path(run.engine.path, run.engine.file).read_text())["weights"], np.int64)
        return lambda words: (words @ weights % 2).astype(np.uint8)

    def submit(self, ids: Ids, indices: Indices) -> None:
        """Take a batch; blocks while enough are in flight."""
        self._batches.put((ids, indices))

    def drain(self) -> None:
        """Return when every batch has been reported."""
        self._batches.join()

    def close(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._batches.put(None)
            self._thread.join()

    def _execute(self) -> None:
        while (batch := self._batches.get()) is not None:
            ids, indices = batch
            try:
                samples = np.asarray(self._qsl.gather(self._qsl.names[0], indices))
                self._sink.complete(ids, self._engine(samples))
            except Exception as error:  # an exception would end the thread, and leave LoadGen waiting for it
                self._sink.fail(ids, f"The engine failed: {error}")
            self._batches.task_done()
