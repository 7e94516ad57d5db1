"""Whether an answer is the right one: the judges of MLPerf's long-context, mathematics, knowledge and code samples.

Each follows the evaluation script of MLPerf's reference implementation, its peculiarities included.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mlperf_registry.schema.problem import RunFailed

Judge = Callable[[str, Any], bool]
"""Takes an answer's text and the reference."""

_UUID = re.compile(r"\w{8}-\w{4}-\w{4}-\w{4}-\w{12}")
_NUMBER = re.compile(r"-?[\d,]*\.?\d+")
_ANSWER = "Answer: "


def needle(answer: str, reference: str) -> float:
    """Llama 3.1 405B's ``niah_em``, 0 to 100: how much of the hidden identifiers the answer names.

    As the reference does it, each character of an identifier counts that occurs anywhere in the one answered.
    """
    given, wanted = _UUID.findall(answer), _UUID.findall(reference)
    if not given:
        return 0.0
    pairs = zip(given, wanted, strict=False)  # the first of each, however many there are
    shares = [sum(sign in said.lower() for sign in right.lower()) / len(right) for said, right in pairs]
    return round(100 * sum(shares) / len(given), 2)


def question(answer: str, reference: str) -> float:
    """Llama 3.1 405B's ``qa_em``: 100 where the answer is one of the references, which ``|`` parts, 0 elsewhere."""
    said = answer.rpartition(_ANSWER)[2] if _ANSWER in answer else answer
    squeezed = _squeezed(said)
    right = said in reference or any(_squeezed(entry) in squeezed for entry in reference.split("|"))
    return 100.0 if right else 0.0


def last_number(answer: str, reference: Any) -> bool:
    """Mixtral's GSM8K: the number after "The answer is", else the last one, equals the reference."""
    text = answer.split("\nQ:")[0]
    _, delimiter, said = text.rpartition("The answer is")
    after = _NUMBER.findall(said) if delimiter else []
    anywhere = _NUMBER.findall(text)
    found = after[0] if after else anywhere[-1] if anywhere else ""
    number = _float(found.replace(",", ""))
    return number is not None and number == _float(reference)


def judge_of(kind: str, *, harmony: bool) -> Judge | None:
    """The judge of a sample of DeepSeek-R1's or gpt-oss' data set; None where it takes running the answer's code.

    Args:
        kind: what the sample is from, as its data set says.
        harmony: whether answers have gpt-oss' channels.

    Raises:
        RunFailed: when the data set is not known.
    """
    lower = kind.lower()
    for name, judge in _JUDGES:
        if name in lower:
            return None if judge is None else judge(harmony)
    raise RunFailed(f"Samples are from {kind!r}, and nobody here knows how those are judged.")


def repeats_of(kind: str) -> int:
    """How often gpt-oss' data set asks each question of this kind."""
    return {"aime25": 8, "gpqa_diamond": 5, "livecodebench_v6": 3}.get(kind.lower(), 1)


def _choice(last: str) -> Callable[[bool], Judge]:
    """Judge of one letter of A to ``last``."""
    labelled = re.compile(
        rf"\b(?:ANSWER|FINAL\s*ANSWER)\b\s*[:=]?\s*(?:\(?\s*([A-{last}])\s*\)?)(?:\s*$|[^A-Za-z])", re.IGNORECASE
    )
    alone = re.compile(rf"\b([A-{last}])\b", re.IGNORECASE)
    first = re.compile(rf"[^a-zA-Z]*([A-{last}])(?:[^a-zA-Z]|$)", re.IGNORECASE)
    short = re.compile(rf"\bAnswer\s*[:.]?\s*([A-{last}])\b", re.IGNORECASE)

    def chosen(answer: str, harmony: bool) -> str | None:
        text = answer.strip()
        final = re.sub(r"\*\*([^*]+)\*\*", r"\1", _final(text)) if harmony else text
        if final.startswith(("['", '["')) and final.endswith(("']", '"]')):
            final = final[2:-2].strip()
        final = _unescaped(final)
        if harmony:
            found = first.match(final.strip()) or short.search(final)
            if found:
                return found[1].upper()
        places = labelled.findall(_unescaped(text) if harmony else final)
        if not places and last == "J":
            places = alone.findall(final)
        return places[-1].upper() if places else None

    def made(harmony: bool) -> Judge:
        return lambda answer, reference: chosen(answer, harmony) == str(reference).upper()

    return made


def _whole_number(harmony: bool) -> Judge:
    """AIME: a number of 0 to 999, boxed or after "Answer:"."""

    def right(answer: str, reference: Any) -> bool:
        boxed = re.findall(r"\\boxed{\s*(\d+)\s*}", answer)
        found = boxed or re.findall(r"Answer:\s*(\d+)(?!\.)\b", answer, re.IGNORECASE)
        wanted = _float(reference)
        return bool(found) and wanted is not None and int(found[-1]) <= 999 and int(found[-1]) == int(wanted)

    return right


def _formula(harmony: bool) -> Judge:
    """MATH-500: what is boxed, by the grader of PRM800K, which knows when two formulas are the same."""
    try:
        same = import_module("grading.grader").grade_answer
    except ImportError as error:
        raise RunFailed(
            "MATH-500 is judged by the grader of PRM800K, which is not installed here: get "
            "github.com/openai/prm800k, put its folder prm800k on PYTHONPATH, pip install sympy pylatexenc, and score "
            "the log again with mlperf accuracy."
        ) from error

    def right(answer: str, reference: Any) -> bool:
        found = _boxed(answer)
        return bool(found) and bool(same(given_answer=found, ground_truth=str(reference)))

    return right


_JUDGES: tuple[tuple[str, Callable[[bool], Judge] | None], ...] = (
    ("gpqa", _choice("D")),
    ("mmlu_pro", _choice("J")),
    ("math500", _formula),
    ("aime", _whole_number),
    ("livecodebench", None),
)
"""Part of a data set's name to what makes its judge."""


def _final(text: str) -> str:
    """What gpt-oss says in its last channel, without its reasoning; all of it where there is none."""
    found = re.search(r"<\|channel\|>final[^<]*<\|message\|>(.*?)(?:<\|return\|>|$)", text, re.DOTALL)
    return found[1].strip() if found else text


def _unescaped(text: str) -> str:
    return text.replace(r"\n", "\n").replace(r"\'", "'")


def _boxed(text: str) -> str | None:
    r"""What the last ``\boxed{...}`` holds, its own braces included."""
    start = text.rfind(r"\boxed{")
    if start < 0:
        return None
    begin = start + len(r"\boxed{")
    depth = 0
    for place in range(begin, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            if depth == 0:
                return text[begin:place].strip()
            depth -= 1
    return None


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).lower()


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
