"""Scores are those of MLPerf's evaluation, and their line is one that the official checker reads."""

from __future__ import annotations

import re

import attrs
import numpy as np
import pytest
from nltk.tokenize.punkt import PunktSentenceTokenizer

from harness.benchmarks.llm.accuracy import score
from harness.benchmarks.llm.data import open_dataset
from mlperf_registry.schema.problem import NotReady, RunFailed

rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")

CHECKED = {
    "ROUGE1": r".*'rouge1':\s+'?([\d.]+)'?.*",
    "ROUGE2": r".*'rouge2':\s+'?([\d.]+)'?.*",
    "ROUGEL": r".*'rougeL':\s+'?([\d.]+)'?.*",
    "ROUGELSUM": r".*'rougeLsum':\s+'?([\d.]+)'?.*",
    "GEN_LEN": r".*'gen_len':\s([\d.]+).*",
    "TOKENS_PER_SAMPLE": r".*'tokens_per_sample':\s([\d.]+).*",
    "gsm8k_accuracy": r".*'gsm8k':\s([\d.]+).*",
    "exact_match": r".*'exact_match':\s([\d.]+).*",
}
"""ACC_PATTERN of the official submission checker, rounds v5.0 to v6.1; older rounds' patterns match the same."""

SUMMARIES = [
    {"input": "x", "tok_input": [0], "output": "the cat sat . the dog ran"},
    {"input": "y", "tok_input": [0], "output": "a dog sat on the mat"},
]


def scored(found, log, **named):
    return score(
        log,
        open_dataset(attrs.evolve(found, data=attrs.evolve(found.data, accuracy_path=None)), None),
        found.benchmark.options,
        **named,
    )


def read_back(text):
    lines = text.splitlines()
    return {
        metric: float(match[1])
        for metric, pattern in CHECKED.items()
        for line in lines
        if (match := re.match(pattern, line)) is not None
    }


def test_rouge_is_rouge_scores_mean_and_its_line_is_read(workload, log, tokens_of):
    answers = {0: tokens_of("the cats ran . the dog sat </s>"), 1: tokens_of("a dog sat on a mat </s>")}
    result = scored(workload("llama3.1-8b", SUMMARIES), log(answers))
    # "cats" is in no vocabulary, and blanks before punctuation are cleaned up.
    split = PunktSentenceTokenizer().tokenize
    texts = ["\n".join(split(text)) for text in ("the? ran. the dog sat", "a dog sat on a mat")]
    wanted = ["\n".join(split(sample["output"])) for sample in SUMMARIES]
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=True)
    pairs = [scorer.score(reference, text) for reference, text in zip(wanted, texts, strict=True)]
    for kind, metric in (("rouge1", "ROUGE1"), ("rouge2", "ROUGE2"), ("rougeL", "ROUGEL"), ("rougeLsum", "ROUGELSUM")):
        expected = 100 * sum(pair[kind].fmeasure for pair in pairs) / 2
        assert result.values[metric] == pytest.approx(expected, abs=5e-5)
    assert result.values["GEN_LEN"] == sum(map(len, texts))
    assert result.values["TOKENS_PER_SAMPLE"] == 7.5
    assert result.samples == 2
    assert read_back(result.text) == result.values
    assert "np." not in result.text


def test_a_sample_that_failed_is_worth_nothing(workload, log, tokens_of):
    result = scored(workload("llama3.1-8b", SUMMARIES), log({0: tokens_of(SUMMARIES[0]["output"]), 1: []}))
    assert result.values["ROUGE1"] == pytest.approx(50.0)
    assert result.values["TOKENS_PER_SAMPLE"] == 3.5


@pytest.mark.parametrize(("dtype", "told"), [("int32", None), ("int64", None), ("int32", "int32"), ("int64", "int64")])
def test_number_formats(workload, log, tokens_of, dtype, told):
    answers = {0: tokens_of("the cat sat"), 1: tokens_of("a dog sat on")}
    result = scored(workload("llama3.1-8b", SUMMARIES), log(answers, dtype), dtype=told)
    assert result.values["TOKENS_PER_SAMPLE"] == 3.5


def test_a_run_of_ours_is_read_as_it_was_written(workload, log):
    """Zeros in every other place look like the upper halves of int64."""
    answers = log({0: [5, 0, 6, 0], 1: [7, 0]})
    assert scored(workload("llama3.1-8b", SUMMARIES), answers).values["TOKENS_PER_SAMPLE"] == 3
    assert scored(workload("llama3.1-8b", SUMMARIES), answers, dtype=None).values["TOKENS_PER_SAMPLE"] == 1.5


def test_the_first_answer_counts_and_order_does_not(workload, log, tokens_of, tmp_path):
    found = workload("llama3.1-8b", SUMMARIES)
    one = scored(found, log({0: tokens_of("the cat"), 1: tokens_of("a dog")}))
    two = scored(found, log({1: tokens_of("a dog"), 0: tokens_of("the cat")}))
    assert one.values == two.values


def test_fewer_answers_are_told(workload, log, tokens_of):
    assert scored(workload("llama3.1-8b", SUMMARIES), log({1: tokens_of("a dog")})).samples == 1


@pytest.mark.parametrize(
    ("answers", "dtype", "named", "message"),
    [
        ({5: [1]}, "int32", {}, "answer to sample 5, and the data set ends at 1"),
        ({0: [1]}, "int32", {"dtype": "int64"}, "4 bytes, which are no int64"),
        ({0: [-7]}, "int32", {}, "-7, which is no token id"),
    ],
)
def test_a_log_of_something_else(workload, log, answers, dtype, named, message):
    with pytest.raises(RunFailed, match=message):
        scored(workload("llama3.1-8b", SUMMARIES), log(answers, dtype), **named)


def test_llama2(workload, log, tokens_of):
    result = scored(workload("llama2-70b", SUMMARIES), log({0: tokens_of("the cat"), 1: tokens_of("a dog sat")}))
    assert {"ROUGE1", "ROUGE2", "ROUGEL", "TOKENS_PER_SAMPLE"} <= read_back(result.text).keys()


def test_llama_405b_judges_each_sample_by_its_metric(workload, log, tokens_of):
    samples = [
        {"input": "x", "tok_input": [0], "gt_output": "the cat", "metric": "rouge"},
        {"input": "x", "tok_input": [0], "gt_output": "42", "metric": "qa_em"},
        {"input": "x", "tok_input": [0], "gt_output": "dog", "metric": "qa_em"},
    ]
    answers = {0: tokens_of("the cat"), 1: tokens_of("Answer: 42"), 2: tokens_of("Answer: cat")}
    result = scored(workload("llama3.1-405b", samples), log(answers))
    assert result.values["ROUGEL"] == 100.0
    assert result.values["exact_match"] == 50.0
    assert read_back(result.text) == result.values


def test_mixtral_counts_its_parts_apart(workload, log, tokens_of):
    samples = [
        {"id": "a", "dataset": "OpenOrca", "input": "x", "tok_input": [0], "gt_output": "the cat"},
        {"id": "b", "dataset": "GSM8K", "input": "x", "tok_input": [0], "gt_output": "42"},
        {"id": "c", "dataset": "GSM8K", "input": "x", "tok_input": [0], "gt_output": "3"},
        {"id": "python_d", "dataset": "MBXP", "input": "x", "tok_input": [0], "gt_output": "assert True"},
    ]
    answers = {
        0: tokens_of("the cat"),
        1: tokens_of("The answer is 42"),
        2: tokens_of("The answer is 2"),
        3: tokens_of("on a mat"),
    }
    result = scored(workload("mixtral-8x7b", samples), log(answers))
    assert result.values["ROUGE1"] == 100.0
    assert result.values["gsm8k_accuracy"] == 50.0
    assert result.values["TOKENS_PER_SAMPLE"] == np.round((2 + 4 + 4 + 3) / 4, 1)
    assert "mbxp_accuracy" not in result.values  # nobody runs the model's programs here
    assert read_back(result.text) == result.values


def reasoning(*kinds_and_answers):
    return [
        {"dataset": kind, "text_input": "x", "tok_input": [0], "ground_truth": right}
        for kind, right in kinds_and_answers
    ]


def test_deepseek_is_the_share_of_right_answers(workload, log, tokens_of):
    samples = reasoning(("gpqa", "A"), ("gpqa", "B"), ("aime", "42"), ("mmlu_pro", "C"))
    answers = {
        0: tokens_of("Answer: A"),
        1: tokens_of("Answer: A"),
        2: tokens_of("Answer: 42"),
        3: tokens_of("Answer: C"),
    }
    result = scored(workload("deepseek-r1", samples), log(answers))
    assert result.values == {"exact_match": 75.0, "TOKENS_PER_SAMPLE": 2.0}
    assert read_back(result.text) == result.values


def test_gpt_oss_counts_a_question_once_however_often_it_is_asked(workload, log, tokens_of):
    samples = reasoning(("aime25", "42"), ("gpqa_diamond", "A"))
    answers = {0: tokens_of("Answer: 42"), 1: tokens_of("Answer: B")}
    result = scored(workload("gpt-oss-120b", samples), log(answers))
    assert result.values["exact_match"] == pytest.approx(100 * (1 / 8) / (1 / 8 + 1 / 5), abs=1e-4)


def test_programs_are_not_run(workload, log, tokens_of):
    with pytest.raises(RunFailed, match="runs no code that a model wrote"):
        scored(workload("deepseek-r1", reasoning(("livecodebench", "1"))), log({0: tokens_of("A")}))


def test_a_data_set_without_references(workload, log, tokens_of):
    with pytest.raises(NotReady, match="reference_column"):
        scored(workload("llama3.1-8b", SUMMARIES, reference_column=None), log({0: tokens_of("A")}))
