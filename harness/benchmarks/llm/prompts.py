"""Prompts from a table: the text of each sample by the benchmark's template, and its tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from harness.benchmarks.dataset import Ragged
from harness.benchmarks.llm.table import Table, column
from harness.llm.tokenizer import Tokenizer
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.problem import ConfigError, Problem, WrongData

_LARGEST_TOKEN = 2**31 - 1


def prompt_texts(table: Table, options: LlmOptions, path: Path) -> list[str] | None:
    """The text of each prompt; None where the data set has only tokens.

    Raises:
        ConfigError: when the template is no template.
        WrongData: when a column is missing, or is no text.
    """
    if options.text_column is None:
        return None
    template = options.prompt_template
    names = [options.text_column] if template is None else _names(template)
    columns = [_texts(table, name, path) for name in names]
    if template is None:
        return columns[0]
    return [template.format(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def prompt_tokens(
    table: Table, texts: Sequence[str] | None, options: LlmOptions, path: Path, tokenizer: Callable[[], Tokenizer]
) -> Ragged:
    """The tokens of each prompt, int32; those longer than ``max_input_tokens`` are cut at their end.

    Args:
        table: the data set's.
        texts: of the prompts, which are tokenised where the table has no tokens.
        options: the benchmark's.
        path: of the data set's file, for errors.
        tokenizer: opens the model's tokeniser; only called where it is needed.

    Raises:
        ConfigError: when neither tokens nor text are named.
        WrongData: when the tokens are none.
        NotReady: when the tokeniser is missing.
    """
    if options.tokens_column is not None:
        rows: Sequence[Any] = column(table, options.tokens_column, path, "tokens_column")
    elif texts is not None:
        rows = tokenizer().encode(texts, special=options.add_special_tokens)
    else:
        message = "is not set, and neither is tokens_column: nothing says where the prompts are"
        raise ConfigError([Problem("benchmark.options.text_column", message)])
    try:
        return _ragged(rows, options.max_input_tokens)
    except (TypeError, ValueError) as error:
        raise WrongData(f"{path}: {error}. Get it again, or name the column that holds tokens.") from error


def _ragged(lists: Sequence[Any], longest: int | None) -> Ragged:
    rows = []
    for number, tokens in enumerate(lists):
        row = np.asarray(tokens)
        if row.ndim != 1 or row.dtype.kind not in "iu":
            raise ValueError(f"the prompt of sample {number} is no list of token ids")
        if not row.size:
            raise ValueError(f"the prompt of sample {number} is empty")
        if row.min() < 0 or row.max() > _LARGEST_TOKEN:
            raise ValueError(f"the prompt of sample {number} has a number that is no token id")
        rows.append(row[:longest])
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(np.concatenate(rows).astype(np.int32, copy=False), offsets)


def _names(template: str) -> list[str]:
    """The columns that a template names, each once."""
    try:
        found = [
            f"{name}{'' if conversion is None else f'!{conversion}'}{form and f':{form}'}"
            for _, name, form, conversion in Formatter().parse(template)
            if name is not None
        ]
    except ValueError as error:
        raise ConfigError([Problem("benchmark.options.prompt_template", f"is no template: {error}")]) from error
    odd = next((name for name in found if not name.isidentifier()), None)
    if odd is not None:
        message = f"has {{{odd}}}, where the name of a column belongs and nothing else; a brace itself is written twice"
        raise ConfigError([Problem("benchmark.options.prompt_template", message)])
    return list(dict.fromkeys(found))


def _texts(table: Table, name: str, path: Path) -> list[str]:
    found = list(column(table, name, path, "text_column"))
    odd = next((row for row, text in enumerate(found) if not isinstance(text, str)), None)
    if odd is not None:
        raise WrongData(f"{path}: {name} of sample {odd} is no text. Get the file again.")
    return found
