"""A small vocabulary, and data sets of MLPerf's forms in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from mlperf_registry.registry import Registry
from mlperf_registry.schema.workload import Workload

tokenizers = pytest.importorskip("tokenizers")

TEXT = "the cat sat on a mat . , dog ran away 1 2 3 42 Answer: A B C The answer is"
WORDS = ["<s>", "</s>", "?", *TEXT.split(" ")]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder with a tokenizer.json, whose texts begin with ``<s>``."""
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(WORDS))}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<s>", "</s>"])
    made.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    folder = tmp_path_factory.mktemp("model")
    made.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def tokens_of(model: Path) -> Callable[[str], list[int]]:
    """Token ids of words."""
    made = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    return lambda text: made.encode(text, add_special_tokens=False).ids


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.load(plugins=())


@pytest.fixture
def workload(registry: Registry, model: Path, tmp_path: Path) -> Callable[..., Workload]:
    """``workload(benchmark, records, **options)``: a benchmark on a file of records, scored without nltk's data."""

    def made(benchmark: str, records: Sequence[dict[str, Any]], **options: Any) -> Workload:
        path = tmp_path / "samples.json"
        path.write_text(json.dumps(list(records)))
        found = registry.structure(registry.compose([f"benchmark={benchmark}"]))
        options = {"sentence_splitter": "untrained_punkt", **options}
        return attrs.evolve(
            found,
            data=attrs.evolve(found.data, path=str(path), sample_count=len(records)),
            model=attrs.evolve(found.model, tokenizer_path=str(model)),
            benchmark=attrs.evolve(found.benchmark, options=attrs.evolve(found.benchmark.options, **options)),
        )

    return made


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """``log(answers)``: LoadGen's accuracy log, index to token ids."""

    def written(answers: dict[int, list[int]], dtype: str = "int32") -> Path:
        entries = [
            {"seq_id": place, "qsl_idx": index, "data": np.array(tokens, dtype).tobytes().hex().upper()}
            for place, (index, tokens) in enumerate(answers.items())
        ]
        path = tmp_path / "mlperf_log_accuracy.json"
        path.write_text(json.dumps(entries))
        return path

    return written
