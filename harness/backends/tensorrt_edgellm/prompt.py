"""Prompts as Edge-LLM takes them: text, in which its tokeniser must find the very tokens that the data set has.

The runtime's Python interface takes no token ids. It adds no special tokens to raw text, and finds those in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.llm.request import Tokens
from mlperf_registry.schema.problem import NotReady

_TOKENIZER = "tokenizer.json"


def special_tokens(folder: Path) -> dict[int, str]:
    """Text of each special token of the engine's tokeniser, by id.

    Raises:
        NotReady: when the engine's folder has no tokeniser.
    """
    path = folder / _TOKENIZER
    try:
        added = json.loads(path.read_text(encoding="utf-8"))["added_tokens"]
        return {int(token["id"]): str(token["content"]) for token in added if token["special"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReady(f"{path} cannot be read ({error!r}): an engine's folder holds its tokeniser too.") from error


def raw_prompt(text: str, tokens: Tokens, special: Mapping[int, str]) -> str:
    """The text of a prompt, with the special token in front that its tokens begin with."""
    first = special.get(int(tokens[0])) if len(tokens) else None
    return text if first is None or text.startswith(first) else first + text
