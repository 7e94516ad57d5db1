"""The tokeniser that lies in a GGUF file, so that a model in one file needs no other beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.llm.gguf import Gguf
from mlperf_registry.schema.problem import NotReady

_WHOLE = (3, 4)
"""GGUF's kinds of tokens that stand for themselves in a text: control and user-defined, as ``<|im_end|>``."""
_BY_DIGITS = ("smollm", "starcoder", "refact", "command-r")
"""Ways to split text, by GGUF's name, that are byte-level BPE with each digit for itself."""


def load_gguf_tokenizer(path: Path) -> Any:
    """The ``tokenizers.Tokenizer`` that a GGUF file describes.

    Raises:
        NotReady: when the module ``tokenizers`` is absent, or the file has a tokeniser of another kind.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    except ImportError as error:
        raise NotReady("Text needs the tokeniser's library: pip install 'mlperf-registry[llm]'") from error
    described = Gguf.read(path).metadata
    model, split = described.get("tokenizer.ggml.model"), described.get("tokenizer.ggml.pre")
    if model != "gpt2" or split not in _BY_DIGITS:
        raise NotReady(
            f"{path} has a tokeniser of the kind {model}/{split}, and gpt2/{', gpt2/'.join(_BY_DIGITS)} are read: set "
            "model.tokenizer_path to the model's tokenizer.json."
        )
    tokens, kinds = described["tokenizer.ggml.tokens"], described["tokenizer.ggml.token_type"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: number for number, token in enumerate(tokens)},
            merges=[tuple(merge.split(" ", 1)) for merge in described["tokenizer.ggml.merges"]],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, kinds, strict=True) if kind in _WHOLE])
    return tokenizer
