"""The tokeniser of another model is refused: by its ids, by what it makes of the text, and by the model's own size."""

from __future__ import annotations

import json

import attrs
import pytest

from harness.benchmarks.llm.data import open_dataset
from mlperf_registry.schema.problem import ConfigError, NotReady

ARTICLE = "the cat sat on a mat . the dog ran away . " * 3
FOREIGN = "Seven words that no such vocabulary has. " * 4


def sample(text, tokens):
    return [{"input": text, "tok_input": tokens, "output": "cat"}]


def test_prompts_that_are_its_own_also_cut(workload, tokens_of):
    for tokens in (tokens_of(ARTICLE), tokens_of(ARTICLE)[:25]):
        assert len(open_dataset(workload("llama3.1-8b", sample(ARTICLE, tokens)), None)) == 1


def test_ids_beyond_the_vocabulary(workload, tokens_of):
    with pytest.raises(NotReady, match="prompt of sample 0 holds 128000, which is no token id"):
        open_dataset(workload("llama3.1-8b", sample(ARTICLE, [128000, *tokens_of(ARTICLE)])), None)


def test_tokens_of_another_text(workload, tokens_of):
    with pytest.raises(NotReady, match=r"do not stand for their text: set model\.tokenizer_path"):
        open_dataset(workload("llama3.1-8b", sample(FOREIGN, tokens_of(ARTICLE))), None)


def test_a_vocabulary_that_lacks_the_words(workload):
    with pytest.raises(NotReady, match="do not stand for their text"):
        open_dataset(workload("gptj", sample(FOREIGN, []), prompt_template=None), None)


@pytest.mark.parametrize(("size", "right"), [(25, True), (26, True), (128256, False), (5, False)])
def test_as_many_tokens_as_the_model_has(workload, tokens_of, model, tmp_path, size, right):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(json.dumps({"vocab_size": size}))
    found = workload("llama3.1-8b", sample(ARTICLE, tokens_of(ARTICLE)))
    found = attrs.evolve(found, model=attrs.evolve(found.model, path=str(checkpoint)))
    if right:
        assert len(open_dataset(found, None)) == 1
    else:
        with pytest.raises(ConfigError, match=r"model.tokenizer_path: .* has 25 tokens, and the model "):
            open_dataset(found, None)
