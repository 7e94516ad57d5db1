"""Prompts made on the fly, for models with random weights: no download, each sample its own, the same each time.

Their lengths decide what an engine has to do, so these are drawn from a histogram that is shaped like news articles.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.dataset import Columns, Ragged
from harness.benchmarks.llm.data import rows_of
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.sections import Data

_SEED = 20261122

_SPECIAL = 1000
"""Ids from here on are words in every vocabulary; control tokens lie below or above them."""

BIN = 128
"""Width of a bin of the histogram, in tokens."""

LENGTHS = (0, 17, 85, 150, 169, 152, 121, 91, 65, 46, 32, 22, 15, 11, 7, 5, 4, 3, 2, 1)
"""Samples with a prompt of so many tokens: bin i is of [i, i + 1) * BIN. The mean is 781 tokens.

Made, not counted: a log-normal distribution with a standard deviation of 400 tokens, cut at 2,560, whose mean is the
one that the data set card of CNN/DailyMail gives for its articles. No article is behind it.
"""


@attrs.frozen(eq=False)
class RandomPrompts:
    """A Dataset of random tokens, without text."""

    tokens: Ragged

    def __len__(self) -> int:
        return len(self.tokens)

    def load(self, indices: npt.NDArray[np.int64]) -> Columns:
        """``input_ids``: Ragged of int32."""
        return {"input_ids": rows_of(self.tokens, indices)}


def open_random_prompts(data: Data, options: LlmOptions) -> RandomPrompts:
    """As many as the true set has; files of ``data`` are not looked at.

    Raises:
        NotReady: when nothing says how many.
        ConfigError: when nothing says of how many tokens to draw.
    """
    if data.sample_count is None:
        raise NotReady("Nothing says how many samples the data set has: set data.sample_count.")
    if options.vocabulary_size is None:
        message = "is not set, and random prompts are drawn from it"
        raise ConfigError([Problem("benchmark.options.vocabulary_size", message)])
    random = np.random.default_rng(_SEED)
    lengths = prompt_lengths(random, data.sample_count)
    np.minimum(lengths, options.max_input_tokens or lengths.max(), out=lengths)
    offsets = np.zeros(data.sample_count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    first = min(_SPECIAL, options.vocabulary_size // 2)
    return RandomPrompts(Ragged(random.integers(first, options.vocabulary_size, offsets[-1], np.int32), offsets))


def prompt_lengths(random: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """Lengths drawn from the histogram, in tokens, shape [count]."""
    shares = np.array(LENGTHS, np.float64)
    bins = random.choice(len(LENGTHS), count, p=shares / shares.sum())
    return bins * BIN + random.integers(0, BIN, count)
