"""Prompts come as MLPerf's files and templates say; another file is refused, with where to get the right one."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest

from harness.benchmarks.llm.data import open_dataset
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.problem import ConfigError, NotReady

FRAME = Path(__file__).parents[3] / "data" / "llm" / "pandas-2.2.3.pkl"

SAMPLES = [
    {"instruction": "i", "input": "the cat sat", "tok_input": [0, 3, 4, 5], "output": "cat"},
    {"instruction": "i", "input": "the dog", "tok_input": [0, 3, 11], "output": "dog"},
    {"instruction": "i", "input": "a mat", "tok_input": [7], "output": "mat"},
]


def rows(ragged):
    return [ragged.row(number).tolist() for number in range(len(ragged))]


def texts(ragged):
    return [ragged.row(number).tobytes().decode() for number in range(len(ragged))]


def test_tokens_of_the_file_and_text_by_the_template(workload):
    dataset = open_dataset(workload("llama3.1-8b", SAMPLES), None)
    assert len(dataset) == 3
    loaded = dataset.load(np.array([2, 0]))
    assert rows(loaded["input_ids"]) == [[7], [0, 3, 4, 5]]
    assert loaded["input_ids"].values.dtype == np.int32
    assert texts(loaded["text"])[1] == (
        "In very brief sentences, summarize the following news article. Only return the summary.\n"
        "Article: the cat sat\nSummary: "
    )


def test_text_is_tokenised_where_the_file_has_no_tokens(workload, tokens_of):
    found = workload("gptj", SAMPLES, prompt_template="{instruction} {input}", max_input_tokens=3)
    loaded = open_dataset(found, None).load(np.arange(3))
    assert rows(loaded["input_ids"])[0] == [0, *tokens_of("i the cat")][:3]
    assert texts(loaded["text"]) == ["i the cat sat", "i the dog", "i a mat"]


def test_without_special_tokens(workload, tokens_of):
    found = workload("gptj", SAMPLES, prompt_template=None, add_special_tokens=False)
    assert rows(open_dataset(found, None).load(np.array([1]))["input_ids"]) == [tokens_of("the dog")]


@pytest.mark.parametrize("packed", [False, True])
def test_a_pickled_frame_also_gzipped(workload, tmp_path, packed):
    path = tmp_path / "orca.pkl"
    path.write_bytes(gzip.compress(FRAME.read_bytes()) if packed else FRAME.read_bytes())
    found = workload("llama2-70b", SAMPLES)
    dataset = open_dataset(attrs.evolve(found, data=attrs.evolve(found.data, path=str(path))), None)
    assert rows(dataset.load(np.arange(3))["input_ids"]) == [[1, 2, 3], [4], [5, 6]]
    assert list(dataset.references) == ["1", "2", "3"]


def test_a_prompt_with_half_a_character_is_refused_before_the_run(workload):
    broken = [SAMPLES[0], {**SAMPLES[1], "input": "the \ud83d dog"}]
    with pytest.raises(NotReady, match="the prompt of sample 1 is no text"):
        open_dataset(workload("llama3.1-8b", broken), None)


def test_json_lines(workload, tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(map(json.dumps, SAMPLES)) + "\n")
    found = workload("llama3.1-8b", SAMPLES)
    assert len(open_dataset(attrs.evolve(found, data=attrs.evolve(found.data, path=str(path))), None)) == 3


def test_the_first_of_a_longer_file(workload):
    found = workload("llama3.1-8b", SAMPLES)
    dataset = open_dataset(attrs.evolve(found, data=attrs.evolve(found.data, sample_count=2)), None)
    assert len(dataset) == 2


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"sample_count": 4}, {}, r"has 3 samples, and data.sample_count says 4"),
        ({"path": "/nowhere/cnn_eval.json"}, {}, r"missing\. Get it: .*inference\.mlcommons-storage\.org"),
        ({}, {"tokens_column": "tokens"}, "has no column 'tokens', only instruction, input, tok_input, output"),
        ({}, {"tokens_column": "output"}, "sample 0 is no list of token ids"),
        ({}, {"text_column": "tok_input", "prompt_template": None}, "tok_input of sample 0 is no text"),
        ({}, {"reference_column": "summary"}, "has no column 'summary'"),
    ],
)
def test_a_wrong_file_says_what_to_do(workload, change, options, message):
    found = workload("llama3.1-8b", SAMPLES, **options)
    with pytest.raises(NotReady, match=message):
        open_dataset(attrs.evolve(found, data=attrs.evolve(found.data, **change)), None)


@pytest.mark.parametrize("tokens", [[], [-1], [2**31], [1.5], "words"])
def test_tokens_that_are_none(workload, tokens):
    with pytest.raises(NotReady, match="sample 1"):
        open_dataset(workload("llama3.1-8b", [SAMPLES[0], {**SAMPLES[1], "tok_input": tokens}]), None)


@pytest.mark.parametrize(
    "content", ["", "[]", "[1]", "{", "[" * 100_000, "\x1f\x8b", '{"a": 1}', '[{"a": 1}, {"b": 1}]']
)
def test_damaged_json(workload, tmp_path, content):
    path = tmp_path / "damaged.json"
    path.write_text(content)
    found = workload("llama3.1-8b", SAMPLES)
    with pytest.raises(NotReady, match=r"damaged\.json is not read|has no column"):
        open_dataset(attrs.evolve(found, data=attrs.evolve(found.data, path=str(path))), None)


@pytest.mark.parametrize("template", ["{", "{0}", "{input.x}", "{}", "{input:d}", "{input!x}"])
def test_a_template_that_is_none(workload, template):
    with pytest.raises(ConfigError, match="prompt_template"):
        open_dataset(workload("llama3.1-8b", SAMPLES, prompt_template=template), None)


def test_neither_tokens_nor_text(workload):
    with pytest.raises(ConfigError, match="nothing says where the prompts are"):
        open_dataset(workload("llama3.1-8b", SAMPLES, tokens_column=None, text_column=None), None)


def test_a_run_that_is_scored_needs_the_tokeniser(workload, tmp_path):
    found = workload("llama3.1-8b", SAMPLES)
    bare = attrs.evolve(found, model=attrs.evolve(found.model, tokenizer_path=str(tmp_path)))
    with pytest.raises(NotReady, match=r"tokenizer.json is missing\. Get it: meta-llama"):
        open_dataset(bare, None)
    fast = attrs.evolve(bare, loadgen=attrs.evolve(bare.loadgen, test_mode="PerformanceOnly"))
    assert len(open_dataset(fast, None)) == 3


def test_the_tokeniser_of_the_models_folder(workload, model, tmp_path):
    shutil.copytree(model, tmp_path / "models" / "llama")
    found = workload("llama3.1-8b", SAMPLES)
    beside = attrs.evolve(found, model=attrs.evolve(found.model, tokenizer_path=None, path="models/llama"))
    assert open_dataset(beside, tmp_path).open_tokenizer().path == tmp_path / "models" / "llama" / "tokenizer.json"


def test_nltks_sentences_are_asked_for_before_the_run(workload, monkeypatch):
    from nltk import data

    monkeypatch.setattr(data, "path", [])
    with pytest.raises(NotReady, match=r"python -m nltk\.downloader punkt_tab"):
        open_dataset(workload("llama3.1-8b", SAMPLES, sentence_splitter="punkt"), None)


def test_accuracy_runs_may_have_samples_of_their_own(workload, tmp_path):
    other = tmp_path / "accuracy.json"
    other.write_text(json.dumps([{"text_input": "x", "tok_input": [9], "ground_truth": "A", "dataset": "gpqa"}]))
    timed = [{"text_input": "y", "tok_input": [number], "dataset": "perf"} for number in (1, 2)]
    found = workload("gpt-oss-120b", timed)
    found = attrs.evolve(found, data=attrs.evolve(found.data, accuracy_path=str(other)))
    assert rows(open_dataset(found, None).load(np.arange(2))["input_ids"]) == [[1], [2]]
    scored = open_dataset(found.scored, None)
    assert list(scored.references) == ["A"]
    assert rows(scored.load(np.array([0]))["input_ids"]) == [[9]]


@pytest.mark.parametrize("benchmark", ["llama3.1-8b", "llama3.1-8b-edge", "llama2-70b", "deepseek-r1", "gpt-oss-120b"])
def test_answers_are_as_long_as_the_newest_round_says(registry, benchmark):
    found = registry.structure(registry.compose([f"benchmark={benchmark}", "mode=submission"]))
    assert not [breach for breach in make_plan(found).breaches if breach.rule == "answer-length"]
    longer = registry.compose([f"benchmark={benchmark}", "benchmark.options.max_output_tokens=4096"])
    assert [breach.path for breach in make_plan(registry.structure(longer)).breaches if breach.rule == "answer-length"]
