"""What a language model's answers are worth: ROUGE, exact matches and their lengths, as MLPerf's scripts say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import attrs

from harness.benchmarks.dataset import Score
from harness.benchmarks.llm.answers import Answers, LogType, read_answers
from harness.benchmarks.llm.data import Prompts
from harness.benchmarks.llm.exact_match import judge_of, last_number, needle, question, repeats_of
from harness.benchmarks.llm.rouge import Rouge, rouge
from harness.benchmarks.llm.sentences import one_a_line
from harness.benchmarks.llm.vocabulary import require_answers
from mlperf_registry.schema.benchmarks.llm import Evaluation, LlmOptions
from mlperf_registry.schema.problem import NotReady, RunFailed

METRICS = {
    "rouge1": "ROUGE1",
    "rouge2": "ROUGE2",
    "rougeL": "ROUGEL",
    "rougeLsum": "ROUGELSUM",
    "gen_len": "GEN_LEN",
    "tokens_per_sample": "TOKENS_PER_SAMPLE",
    "gsm8k": "gsm8k_accuracy",
    "exact_match": "exact_match",
}
"""What MLPerf's scripts print, to the metric that the rounds name."""


@attrs.frozen(eq=False)
class Marked:
    """Answers with what they are held against, sample by sample."""

    answers: Answers
    texts: list[str]
    """Decoded."""
    references: list[str]
    kinds: list[str]
    """Empty where the data set says nothing."""
    options: LlmOptions

    def of(self, kind: str) -> Marked:
        """Those of one kind."""
        rows = [row for row, found in enumerate(self.kinds) if found == kind]
        return Marked(
            Answers([self.answers.indices[row] for row in rows], [self.answers.tokens[row] for row in rows]),
            [self.texts[row] for row in rows],
            [self.references[row] for row in rows],
            [kind] * len(rows),
            self.options,
        )

    @property
    def sentences(self) -> tuple[list[str], list[str]]:
        """References and texts, a sentence on each line."""
        splitter = self.options.sentence_splitter
        return [one_a_line(text, splitter) for text in self.references], [
            one_a_line(text, splitter) for text in self.texts
        ]


def score(log: Path, dataset: Prompts, options: LlmOptions, dtype: LogType | None = "int32") -> Score:
    """The metrics of the benchmark's evaluation, over the samples that were answered.

    The text is one line with MLPerf's own names, as the official checker reads them.

    Args:
        log: mlperf_log_accuracy.json.
        dataset: what was asked.
        options: the benchmark's.
        dtype: number format of the log's token ids, which is int32 in those of our runs; None: seen from the log.

    Raises:
        RunFailed: when the log is damaged, of another data set, or cannot be scored here.
        NotReady: when the tokeniser or what scoring takes is not installed.
    """
    if not dataset.references:
        raise NotReady("benchmark.options.reference_column is not set: nothing says which answers are right.")
    answers = read_answers(log, len(dataset), dtype)
    tokenizer = dataset.open_tokenizer()
    require_answers(tokenizer, log, answers.indices, answers.tokens)
    marked = Marked(
        answers,
        tokenizer.decode(answers.tokens, special=options.evaluation == "harmony"),
        [str(dataset.references[index]) for index in answers.indices],
        [str(dataset.kinds[index]) for index in answers.indices] if dataset.kinds else [],
        options,
    )
    if options.evaluation != "rouge" and not marked.kinds:
        raise NotReady("benchmark.options.kind_column is not set: nothing says how each sample is judged.")
    found = _EVALUATIONS[options.evaluation](marked)
    values = {METRICS[name]: float(value) for name, value in found.items() if name in METRICS}
    return Score(values=values, samples=len(answers), text=f"{found}\n")


Found = dict[str, float]


def _rouge(marked: Marked) -> Found:
    references, texts = marked.sentences
    scores = list(map(rouge, references, texts))
    return {
        **_means(scores),
        "gen_len": sum(map(len, texts)),
        **_counts(marked.answers),
    }


def _long_context(marked: Marked) -> Found:
    """Llama 3.1 405B: ROUGE-L or an exact match, as each sample's metric says, of texts split into sentences."""
    references, texts = marked.sentences
    judges: dict[str, Callable[[str, str], float]] = {"niah_em": needle, "qa_em": question}
    unknown = sorted(set(marked.kinds) - {"rouge", *judges})
    if unknown:
        raise RunFailed(f"Samples are to be judged by {', '.join(unknown)}, which nobody here knows.")
    summaries = [
        rouge(reference, text).rougeL
        for kind, text, reference in zip(marked.kinds, texts, references, strict=True)
        if kind == "rouge"
    ]
    matches = [
        judges[kind](text, reference)
        for kind, text, reference in zip(marked.kinds, texts, references, strict=True)
        if kind in judges
    ]
    return {
        **({"rougeL": round(100 * fmean(summaries), 4)} if summaries else {}),
        **({"exact_match": round(fmean(matches), 4)} if matches else {}),
        "gen_len": sum(map(len, texts)),
        **_counts(marked.answers),
    }


def _mixture(marked: Marked) -> Found:
    """Mixtral: ROUGE of OpenOrca's samples, the right numbers of GSM8K's.

    MBXP's are programs in six languages, to be run with their tests: this package runs no code that a model wrote, so
    that metric is missing, and who needs it scores the log in the container of MLPerf's reference implementation.
    """
    summaries, sums = marked.of("OpenOrca"), marked.of("GSM8K")
    right = [last_number(text, reference) for text, reference in zip(sums.texts, sums.references, strict=True)]
    return {
        **(_rouge(summaries) if summaries.texts else {}),
        **({"gsm8k": 100.0 * sum(right) / len(right)} if right else {}),
        **_counts(marked.answers),
    }


def _reasoning(marked: Marked) -> Found:
    """DeepSeek-R1: the share of right answers. gpt-oss: the same, each question counted once however often asked."""
    harmony = marked.options.evaluation == "harmony"
    judges = {kind: judge_of(kind, harmony=harmony) for kind in sorted(set(marked.kinds))}
    code = [kind for kind, judge in judges.items() if judge is None]
    if code:
        raise RunFailed(
            f"The answers to {', '.join(code)} are programs, and this package runs no code that a model wrote. Score "
            "the log in the container of MLPerf's reference implementation, which does."
        )
    right = asked = 0.0
    for kind, text, reference in zip(marked.kinds, marked.texts, marked.references, strict=True):
        judge = judges[kind]
        weight = 1 / repeats_of(kind) if harmony else 1.0
        asked += weight
        right += weight * (judge is not None and judge(text, reference))
    return {
        "exact_match": round(100 * right / asked, 4),
        "tokens_per_sample": round(marked.answers.token_count / len(marked.answers), 4),
        "num-samples": len(marked.answers),
    }


_EVALUATIONS: dict[Evaluation, Callable[[Marked], Found]] = {
    "rouge": _rouge,
    "long_context": _long_context,
    "mixture": _mixture,
    "reasoning": _reasoning,
    "harmony": _reasoning,
}


def _means(scores: Sequence[Rouge]) -> Found:
    """Percent, rounded as MLPerf's scripts print them."""
    names = [field.name for field in attrs.fields(Rouge)]
    return {name: round(100 * fmean(getattr(one, name) for one in scores), 4) for name in names}


def _counts(answers: Answers) -> Found:
    return {
        "gen_num": len(answers),
        "gen_tok_len": answers.token_count,
        "tokens_per_sample": _tokens_per_sample(answers),
    }


def _tokens_per_sample(answers: Answers) -> float:
    return round(answers.token_count / len(answers), 1)
