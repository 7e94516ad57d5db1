"""The data set of a language model: prompts as tokens and text, and what their answers are held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.dataset import Columns, Ragged
from harness.benchmarks.llm.prompts import prompt_texts, prompt_tokens
from harness.benchmarks.llm.sentences import require_splitter
from harness.benchmarks.llm.table import Table, column, read_table
from harness.benchmarks.llm.vocabulary import require_model, require_prompts
from harness.llm.tokenizer import Tokenizer, find_tokenizer, open_tokenizer
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.benchmarks.llm import LlmOptions
from mlperf_registry.schema.problem import WrongData
from mlperf_registry.schema.sections import Data
from mlperf_registry.schema.workload import Workload


@attrs.frozen(eq=False)
class Prompts:
    """A Dataset whose prompts are of one table."""

    tokens: Ragged
    """int32, a row for each sample."""
    texts: Ragged | None
    """UTF-8 as uint8, a row for each sample; None where the data set has no text."""
    references: Sequence[Any]
    """The right answer of each sample; empty where there are none."""
    kinds: Sequence[str]
    """What each sample is from, or how it is judged; empty where it says nothing."""
    identities: Sequence[str]
    """Name of each sample; empty where the data set names none."""
    open_tokenizer: Callable[[], Tokenizer]
    """The model's tokeniser; raises NotReady and ConfigError."""

    def __len__(self) -> int:
        return len(self.tokens)

    def load(self, indices: npt.NDArray[np.int64]) -> Columns:
        """``input_ids``: Ragged of int32, and ``text``: Ragged of uint8, UTF-8, where the data set has text."""
        columns: Columns = {"input_ids": rows_of(self.tokens, indices)}
        if self.texts is not None:
            columns["text"] = rows_of(self.texts, indices)
        return columns


def open_dataset(workload: Workload, scratch: Path | None) -> Prompts:
    """The prompts of a workload; where it is to be scored, what scoring takes is there too.

    Raises:
        ConfigError: when the options contradict each other, or the tokeniser is another model's.
        NotReady: when a file or package is missing, or the file is not what the options describe.
    """
    prompts = open_prompts(workload, scratch)
    if _is_scored(workload):
        require_splitter(workload.benchmark.options.sentence_splitter)
    return prompts


def open_prompts(workload: Workload, scratch: Path | None) -> Prompts:
    """The prompts alone; errors as ``open_dataset``."""
    data, options, model = workload.data, workload.benchmark.options, workload.model
    path = resolve_path(data.path, scratch, source=data.source, kind="file")

    @cache
    def tokenizer() -> Tokenizer:
        found = open_tokenizer(find_tokenizer(model, scratch))
        require_model(found, model, scratch)
        return found

    table = _as_many(read_table(path), data, path)
    texts = prompt_texts(table, options, path)
    tokens = prompt_tokens(table, texts, options, path, tokenizer)
    if options.tokens_column is None or _is_scored(workload):
        require_prompts(tokenizer(), tokens, texts, path)
    return Prompts(
        tokens=tokens,
        texts=None if texts is None else _utf8(texts, path),
        references=_optional(table, options, "reference_column", path) if _is_scored(workload) else (),
        kinds=_optional(table, options, "kind_column", path),
        identities=table.get("id", ()),
        open_tokenizer=tokenizer,
    )


def _is_scored(workload: Workload) -> bool:
    return workload.test_mode != "PerformanceOnly" and workload.data.accuracy_path is None


def rows_of(ragged: Ragged, indices: npt.NDArray[np.int64]) -> Ragged:
    """A copy of some rows, one after another in the order of ``indices``."""
    lengths = (ragged.offsets[1:] - ragged.offsets[:-1])[indices]
    offsets = np.zeros(len(indices) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    values = np.empty(offsets[-1], ragged.values.dtype)
    for place, index in enumerate(indices):
        values[offsets[place] : offsets[place + 1]] = ragged.row(int(index))
    return Ragged(values, offsets)


def _as_many(table: Table, data: Data, path: Path) -> Table:
    """The first ``data.sample_count`` rows: MLPerf's reference takes the first of a longer file too."""
    rows = len(next(iter(table.values())))
    if data.sample_count is None or data.sample_count == rows:
        return table
    if data.sample_count > rows:
        raise WrongData(
            f"{path} has {rows:,} samples, and data.sample_count says {data.sample_count:,}: it is another data set, "
            f"or not whole. Get it: {data.source or 'again'}. To run with those {rows:,}, set data.sample_count={rows}."
        )
    return {name: values[: data.sample_count] for name, values in table.items()}


def _optional(table: Table, options: LlmOptions, option: str, path: Path) -> Sequence[Any]:
    name = getattr(options, option)
    return () if name is None else column(table, name, path, option)


def _utf8(texts: Sequence[str], path: Path) -> Ragged:
    rows = []
    for number, text in enumerate(texts):
        try:
            rows.append(text.encode())
        except UnicodeEncodeError as error:  # half a pair of surrogates, which JSON and pickles can hold
            raise WrongData(
                f"{path}: the prompt of sample {number} is no text ({error}). Get the file again."
            ) from error
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return Ragged(np.frombuffer(b"".join(rows), np.uint8), offsets)
