"""Each judge finds the answer where MLPerf's evaluation finds it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from harness.benchmarks.llm.exact_match import judge_of, last_number, needle, question
from mlperf_registry.schema.problem import RunFailed

UUID = "12345678-1234-1234-1234-123456789012"


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        (f"It is {UUID}.", UUID, 100.0),
        ("I do not know.", UUID, 0.0),
        # The reference counts characters that occur, not identifiers.
        ("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa", UUID, round(100 * 4 / 36, 2)),
        (f"{UUID} and aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa", UUID, 50.0),
    ],
)
def test_needle(answer, reference, score):
    assert needle(answer, reference) == score


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("First. Answer: Paris", "Paris|Paris, France", 100.0),
        ("Answer: London Answer: it is  PA RIS, surely", "Paris", 100.0),
        ("Paris, I say. Answer: Rome", "Paris", 0.0),
        ("in the city of paris", "Paris", 100.0),
        ("ari", "Paris", 100.0),
        ("nothing", "Paris", 0.0),
    ],
)
def test_question(answer, reference, score):
    assert question(answer, reference) == score


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("2 and 3. The answer is 1,234.0 of 9", "1234", True),
        ("so 5, then 7", "7", True),
        ("so 5, then 7\nQ: what is 9?", "7", True),
        ("The answer is -3", "-3", True),
        ("The answer is unknown, 4", "4", True),
        ("The answer is nothing. Before it: no digits", "4", False),
        ("", "4", False),
        ("7", "no number", False),
    ],
)
def test_last_number(answer, reference, right):
    assert last_number(answer, reference) is right


@pytest.mark.parametrize(
    ("kind", "answer", "reference", "right"),
    [
        ("gpqa", "I think\nANSWER: C", "C", True),
        ("gpqa", "Answer: A, no. Final answer (B)", "B", True),
        ("gpqa", "the letter is C", "C", False),
        ("gpqa", "['Answer: D']", "D", True),
        ("mmlu_pro", "ANSWER: J", "J", True),
        ("mmlu_pro", "it must be H then", "h", True),
        ("aime1983", r"\boxed{12} or \boxed{ 007 }", 7, True),
        ("aime1983", "Answer: 204", "204", True),
        ("aime1983", r"\boxed{1204}", 1204, False),
        ("aime1983", "204", 204, False),
    ],
)
def test_deepseek(kind, answer, reference, right):
    judge = judge_of(kind, harmony=False)
    assert judge is not None
    assert judge(answer, reference) is right


FINAL = "<|channel|>analysis<|message|>Answer: A<|end|><|channel|>final<|message|>{}<|return|>"


@pytest.mark.parametrize(
    ("kind", "answer", "reference", "right"),
    [
        ("gpqa_diamond", FINAL.format("**B**"), "B", True),
        ("gpqa_diamond", FINAL.format("The Answer: C."), "C", True),
        ("gpqa_diamond", "Answer: D", "D", True),
        ("aime25", FINAL.format(r"\boxed{42}"), 42, True),
    ],
)
def test_gpt_oss(kind, answer, reference, right):
    judge = judge_of(kind, harmony=True)
    assert judge is not None
    assert judge(answer, reference) is right


def test_formulas_need_prm800k(monkeypatch):
    with pytest.raises(RunFailed, match="openai/prm800k"):
        judge_of("math500", harmony=False)
    package, grader = ModuleType("grading"), ModuleType("grading.grader")
    grader.grade_answer = lambda given_answer, ground_truth: given_answer.replace(" ", "") == ground_truth
    monkeypatch.setitem(sys.modules, "grading", package)
    monkeypatch.setitem(sys.modules, "grading.grader", grader)
    judge = judge_of("math500", harmony=False)
    assert judge is not None
    assert judge(r"\boxed{1} then \boxed{\frac{1}{ 2 }}.", r"\frac{1}{2}")
    assert not judge("1/2", r"\frac{1}{2}")


def test_code_has_no_judge_and_strangers_are_named():
    assert judge_of("livecodebench_v6", harmony=True) is None
    with pytest.raises(RunFailed, match="'riddles'"):
        judge_of("riddles", harmony=False)
