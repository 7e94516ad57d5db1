"""Whether tokens are of a tokeniser's vocabulary, stand for the text they should, and are those of the model.

The tokeniser of another model raises no error by itself: it makes prompts and scores of nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from harness.benchmarks.dataset import Ragged
from harness.llm.checkpoint import CONFIG, config_of
from harness.llm.gguf import Gguf
from harness.llm.tokenizer import Tokenizer
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem, WrongData, WrongLog
from mlperf_registry.schema.sections import Model

Tokens = npt.NDArray[np.integer[Any]]

_FIRST = 16
"""So many samples are looked at."""
_TELLING = 20
"""So many words of text, or tokens, tell whether tokens stand for them."""
_SHARED = 0.2
"""Part of the words that is found again where the tokeniser is the right one, prompts that are cut included: of another
vocabulary's it is next to nothing."""
_PADDING = 0.1
"""A model has room for a few tokens more than its tokeniser, or a few fewer, by less than this part."""
_WORD = re.compile(r"\w+")


def require_answers(tokenizer: Tokenizer, log: Path, indices: Sequence[int], answers: Sequence[Tokens]) -> None:
    """Check that answers are tokens.

    Raises:
        WrongLog: when a number among them is none.
    """
    for index, answer in zip(indices, answers, strict=True):
        found = tokenizer.stranger(answer)
        if found is not None:
            raise WrongLog(
                f"In {log}, the answer to sample {index} holds {found}, which is no token id of {tokenizer.path} "
                f"({tokenizer.size:,} tokens): it is another model's tokeniser, or another number format (--dtype)."
            )


def require_prompts(tokenizer: Tokenizer, tokens: Ragged, texts: Sequence[str] | None, path: Path) -> None:
    """Check that the prompts' tokens are the tokeniser's, and stand for the prompts' text where there is one.

    Raises:
        WrongData: when they are not.
    """
    cure = (
        "set model.tokenizer_path to the tokeniser of the model that the data set was made for, or get the file again"
    )
    stranger = tokenizer.stranger(cast(Tokens, tokens.values))
    if stranger is not None:
        number = next(row for row in range(len(tokens)) if stranger in tokens.row(row))
        raise WrongData(
            f"{path}: the prompt of sample {number} holds {stranger}, which is no token id of {tokenizer.path} "
            f"({tokenizer.size:,} tokens): {cure}."
        )
    if texts is None:
        return
    rows = [cast(Tokens, tokens.row(number)) for number in range(min(_FIRST, len(tokens)))]
    wanted, found = _words(texts[:_FIRST]), _words(tokenizer.decode(rows))
    # A prompt may be cut, and a word takes a token at least.
    most = min(wanted.total(), sum(map(len, rows)))
    if most >= _TELLING and (wanted & found).total() < _SHARED * most:
        raise WrongData(f"{path}: by {tokenizer.path}, the prompts' tokens do not stand for their text: {cure}.")


def require_model(tokenizer: Tokenizer, model: Model, scratch: Path | None) -> None:
    """Check that the model has as many tokens as the tokeniser; what is not here says nothing.

    Raises:
        ConfigError: when it has far more or far fewer.
    """
    size = _vocabulary_of(model, scratch)
    if size is not None and abs(tokenizer.size - size) > _PADDING * size:
        message = f"{tokenizer.path} has {tokenizer.size:,} tokens, and the model {size:,}: it is another model's"
        hint = "leave it out to take the model's own"
        raise ConfigError([Problem("model.tokenizer_path", message, hint=hint)])


def _vocabulary_of(model: Model, scratch: Path | None) -> int | None:
    try:
        path = resolve_path(model.path, scratch, source=model.source)
    except NotReady:
        return None
    if path.suffix == ".gguf":
        return len(Gguf.read(path).metadata.get("tokenizer.ggml.tokens", ())) or None
    if not (path / CONFIG).is_file():
        return None
    config = config_of(path)
    size = config.get("vocab_size") or config.get("text_config", {}).get("vocab_size")
    return size if isinstance(size, int) else None


def _words(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in _WORD.findall(text.lower()))
