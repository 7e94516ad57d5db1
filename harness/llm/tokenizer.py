"""The tokeniser of a model, from its tokenizer.json or GGUF file: text to tokens for prompts, and back for scoring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from harness.llm.gguf_tokenizer import load_gguf_tokenizer
from harness.llm.installed import import_extra
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.sections import Model

TOKENIZER_FILE = "tokenizer.json"
_GGUF = ".gguf"
_CONFIG_FILE = "tokenizer_config.json"

_CLEANED = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)
"""What ``clean_up_tokenization_spaces`` of transformers replaces, in its order."""


@attrs.frozen(eq=False, slots=False)
class Tokenizer:
    """Turns text into tokens and back."""

    path: Path
    _made: Any
    """A ``tokenizers.Tokenizer``."""
    cleans: bool
    """Whether decoding takes out blanks before punctuation, as transformers does for this model."""

    @cached_property
    def size(self) -> int:
        """The largest token id, and one."""
        return 1 + max(self._made.get_vocab(with_added_tokens=True).values(), default=-1)

    def stranger(self, tokens: npt.NDArray[np.integer[Any]]) -> int | None:
        """The first of the numbers that is no token id; None where all are."""
        outside = tokens[(tokens < 0) | (tokens >= self.size)]
        return int(outside[0]) if outside.size else None

    def encode(self, texts: Sequence[str], *, special: bool = True) -> list[npt.NDArray[np.int32]]:
        """Token ids of each text, with the tokens that the model begins a text with if ``special``."""
        made = self._made.encode_batch_fast(list(texts), add_special_tokens=special)
        return [np.array(one.ids, np.int32) for one in made]

    def decode(self, answers: Sequence[npt.NDArray[np.integer[Any]]], *, special: bool = False) -> list[str]:
        """Text of each answer, all of whose numbers are token ids, with its special tokens if ``special``."""
        texts = self._made.decode_batch([answer.tolist() for answer in answers], skip_special_tokens=not special)
        return [_cleaned(text) for text in texts] if self.cleans else list(texts)


def find_tokenizer(model: Model, scratch: Path | None) -> Path:
    """Where the tokeniser of a model lies: model.tokenizer_path, else in model.path, a folder or a GGUF file.

    Raises:
        NotReady: when there is none.
    """
    try:
        place = resolve_path(model.tokenizer_path or model.path, scratch, source=model.source)
    except NotReady as error:
        raise NotReady(
            f"The tokeniser of the model is needed: {error} Without the model itself, model.tokenizer_path may name a "
            f"{TOKENIZER_FILE}."
        ) from error
    path = place / TOKENIZER_FILE if place.is_dir() else place
    if model.tokenizer_path is None and not place.is_dir() and place.suffix != _GGUF:
        raise NotReady(f"{place} is neither a folder with a {TOKENIZER_FILE} nor GGUF: set model.tokenizer_path.")
    if not path.is_file():
        raise NotReady(f"{path} is missing. Get it: {model.source or 'from the model'}. Put it there.")
    return path


def open_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer.json, or the tokeniser in a GGUF file.

    Raises:
        NotReady: when it is damaged, or the package tokenizers is not installed.
    """
    if path.suffix == _GGUF:
        return Tokenizer(path, load_gguf_tokenizer(path), cleans=False)
    tokenizers = import_extra("tokenizers")
    try:
        made = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # what it raises is a bare Exception
        raise NotReady(f"{path} is no tokenizer.json that the package tokenizers can read: {error}") from error
    return Tokenizer(path, made, _cleans(path.with_name(_CONFIG_FILE)))


def _cleans(config: Path) -> bool:
    """As the model's own configuration says; transformers, which MLPerf scores with, cleans where it says nothing."""
    if not config.is_file():
        return True
    try:
        return bool(json.loads(config.read_bytes()).get("clean_up_tokenization_spaces", True))
    except (OSError, ValueError, AttributeError) as error:
        raise NotReady(f"{config} cannot be read: {error}. Get it again.") from error


def _cleaned(text: str) -> str:
    for blank, without in _CLEANED:
        text = text.replace(blank, without)
    return text
