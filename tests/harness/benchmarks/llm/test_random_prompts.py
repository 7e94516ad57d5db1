"""Random prompts are the same each time, as long as news articles, and of words that the model has."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from harness.benchmarks.llm.random_prompts import open_random_prompts
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.problem import ConfigError, NotReady
from mlperf_registry.schema.sections import Data

OPTIONS = LlmOptions(evaluation="rouge", max_output_tokens=128, vocabulary_size=128_000)
DATA = Data(sample_count=13_368)


def lengths(prompts):
    return np.diff(prompts.load(np.arange(len(prompts)))["input_ids"].offsets)


def test_lengths_are_those_of_articles():
    found = lengths(open_random_prompts(DATA, OPTIONS))
    assert len(found) == 13_368
    assert found.mean() == pytest.approx(780, rel=0.02)
    assert 100 < found.min() < found.max() < 2_560
    assert np.median(found) < found.mean()


def test_the_same_each_time_and_no_two_alike():
    one, two = (open_random_prompts(DATA, OPTIONS).load(np.array([5, 0, 5])) for _ in range(2))
    assert np.array_equal(one["input_ids"].values, two["input_ids"].values)
    assert np.array_equal(one["input_ids"].row(0), one["input_ids"].row(2))
    assert not np.array_equal(one["input_ids"].row(0)[:50], one["input_ids"].row(1)[:50])


def test_tokens_are_of_the_vocabulary():
    values = open_random_prompts(DATA, attrs.evolve(OPTIONS, vocabulary_size=300)).tokens.values
    assert values.dtype == np.int32
    assert 0 <= values.min() < values.max() < 300


def test_none_is_longer_than_the_longest_that_is_allowed():
    assert lengths(open_random_prompts(DATA, attrs.evolve(OPTIONS, max_input_tokens=512))).max() == 512


def test_what_is_missing_is_said():
    with pytest.raises(NotReady, match=r"data\.sample_count"):
        open_random_prompts(Data(), OPTIONS)
    with pytest.raises(ConfigError, match="vocabulary_size"):
        open_random_prompts(DATA, attrs.evolve(OPTIONS, vocabulary_size=None))
