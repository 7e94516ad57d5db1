"""The benchmark's data and accuracy: random words, and the share of them whose parity the engine names."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from acme_mlperf.options import ParityOptions
from harness.benchmarks.accuracy_log import read_accuracy_log
from harness.benchmarks.dataset import Score
from mlperf_registry.schema.workload import Workload


@attrs.frozen(eq=False)
class Words:
    """A Dataset."""

    bits: npt.NDArray[np.uint8]
    """Shape [len(self), word_bits], 0 or 1."""

    def __len__(self) -> int:
        return len(self.bits)

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.uint8]]:
        """``word``: uint8 [n, word_bits]."""
        return {"word": self.bits[indices]}


def open_words(workload: Workload, scratch: Path | None) -> Words:
    """The words of a seed: nothing to download, so nothing can be missing."""
    options = workload.benchmark.options
    random = np.random.default_rng(options.words_seed)
    return Words(random.integers(0, 2, (workload.data.sample_count, options.word_bits), np.uint8))


def score(log: Path, dataset: Words, options: ParityOptions) -> Score:
    """Metric ``acc``, in percent of all words.

    Raises:
        RunFailed: when the log is damaged.
    """
    answers = {index: answer[0] for index, answer in read_accuracy_log(log).items()}
    parity = dataset.bits.sum(axis=1) % 2
    good = sum(int(answer == parity[index]) for index, answer in answers.items())
    accuracy = 100 * good / len(dataset)
    return Score(values={"acc": accuracy}, samples=len(answers), text=f"accuracy={accuracy:.3f}%\n")
