"""ROUGE as accuracy runs compute it, against rouge_score: the same numbers, and how much sooner.

The pairs are sentences of the standard library's own documentation: as long as MLPerf's summaries, and real English.
"""

from __future__ import annotations

import inspect
import random
import re
import time
from importlib import import_module
from typing import Any

from rouge_score.rouge_scorer import RougeScorer

from bench.measure import entry, interleaved
from harness.benchmarks.llm.rouge import rouge

PAIRS = 1_000
KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
SEED = 20261122
MODULES = (
    "argparse ast asyncio collections concurrent.futures configparser csv datetime decimal difflib doctest email enum "
    "fractions functools gettext gzip heapq http.client inspect io ipaddress itertools json logging mailbox "
    "multiprocessing os pathlib pickle random re shutil socket sqlite3 statistics string subprocess tarfile tempfile "
    "textwrap threading traceback typing unittest urllib.request uuid xml.etree.ElementTree zipfile"
)


def measure() -> dict[str, Any]:
    """Entries of bench.json."""
    pairs = documentation_pairs(PAIRS)
    scorer = RougeScorer(list(KINDS), use_stemmer=True)

    def theirs() -> float:
        begun = time.perf_counter()
        for reference, prediction in pairs:
            scorer.score(reference, prediction)
        return PAIRS / (time.perf_counter() - begun)

    def ours() -> float:
        begun = time.perf_counter()
        for reference, prediction in pairs:
            rouge(reference, prediction)
        return PAIRS / (time.perf_counter() - begun)

    rates = interleaved(ours, theirs, pairs=5)
    return {
        "rouge_difference": _exact(max(_difference(scorer, *pair) for pair in pairs), "of 1"),
        "rouge_over_rouge_score": entry(rates.ratios, "ratio"),
        "rouge_rate": entry(rates.first, "pairs/s"),
    }


def documentation_pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of three sentences of a text and four that overlap with them, a sentence on each line."""
    drawn = random.Random(SEED)
    texts = [text for text in _documentation() if len(text) > 6]
    pairs = []
    for _ in range(count):
        text = drawn.choice(texts)
        at = drawn.randrange(len(text) - 5)
        words = "\n".join(text[at + 1 : at + 5]).split(" ")
        for _ in range(len(words) // 4):  # a quarter of the words elsewhere, as paraphrases have them
            one, other = drawn.randrange(len(words)), drawn.randrange(len(words))
            words[one], words[other] = words[other], words[one]
        pairs.append(("\n".join(text[at : at + 3]), " ".join(words)))
    return pairs


def _documentation() -> list[list[str]]:
    """Sentences of the docstrings of each module."""
    found = []
    for name in MODULES.split():
        module = import_module(name)
        documented = [module, *vars(module).values()]
        texts = [inspect.getdoc(one) or "" for one in documented if inspect.ismodule(one) or callable(one)]
        sentences = re.split(r"(?<=[.!?])\s+|\n{2,}", " ".join(texts))
        found.append([" ".join(sentence.split()) for sentence in sentences if 4 < len(sentence.split()) < 40])
    return found


def _difference(scorer: RougeScorer, reference: str, prediction: str) -> float:
    our, their = rouge(reference, prediction), scorer.score(reference, prediction)
    return max(abs(getattr(our, kind) - their[kind].fmeasure) for kind in KINDS)


def _exact(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "pairs": PAIRS, "spread": 0.0}
