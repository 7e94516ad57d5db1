"""The contract between a benchmark's data and the harness: Dataset, Ragged arrays, and an accuracy Score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt


@attrs.frozen(eq=False)
class Ragged:
    """Rows of different lengths, as flat values and offsets."""

    values: npt.NDArray[np.generic]
    """Shape [total, ...]: all rows one after another."""
    offsets: npt.NDArray[np.int64]
    """Shape [rows + 1]: row i is ``values[offsets[i]:offsets[i + 1]]``."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, position: int) -> npt.NDArray[np.generic]:
        """One row, a view."""
        return self.values[self.offsets[position] : self.offsets[position + 1]]


class Dataset(Protocol):
    """Samples by index, ready for the engine."""

    def __len__(self) -> int:
        """Samples of the whole set."""

    def load(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.generic] | Ragged]:
        """Engine input name to array, row i for ``indices[i]``; C-contiguous, in the dtype that the engine takes."""


Columns = dict[str, "npt.NDArray[np.generic] | Ragged"]


@attrs.frozen(eq=False)
class Prepared:
    """A Dataset whose samples are turned into an engine's own form whenever they are loaded, before any clock runs."""

    dataset: Dataset
    prepare: Callable[[Columns], Columns]

    def __len__(self) -> int:
        return len(self.dataset)

    def load(self, indices: npt.NDArray[np.int64]) -> Columns:
        """As the data set's, in the engine's form."""
        return self.prepare(self.dataset.load(indices))


@attrs.frozen(kw_only=True)
class Score:
    """What an accuracy log is worth."""

    values: dict[str, float]
    """Metric name, as in the round's data, to value."""
    samples: int
    """Samples scored."""
    text: str
    """Content of accuracy.txt: the line that the official checker reads."""
