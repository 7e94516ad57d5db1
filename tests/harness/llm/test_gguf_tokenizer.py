"""The tokeniser of a GGUF file: merges, digits, whole tokens, and kinds that are not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_gguf import write_llama

from harness.llm.gguf_tokenizer import load_gguf_tokenizer
from mlperf_registry.schema.problem import NotReady

pytest.importorskip("tokenizers")


def test_text_is_split_as_the_file_says_and_comes_back(tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf")
    tokenizer = load_gguf_tokenizer(tmp_path / "m.gguf")
    text = "abcab12 a<|end|>"
    encoded = tokenizer.encode(text)
    assert encoded.tokens == ["abc", "ab", "1", "2", "Ġ", "a", "<|end|>"]
    assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == text
    assert tokenizer.decode(encoded.ids, skip_special_tokens=True) == "abcab12 a"


def test_another_kind_of_tokeniser_is_not_guessed_at(tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", **{"tokenizer.ggml.model": "llama"})
    with pytest.raises(NotReady, match=r"model\.tokenizer_path"):
        load_gguf_tokenizer(tmp_path / "m.gguf")
