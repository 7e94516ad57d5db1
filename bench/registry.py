"""What composing costs: cells per second of the matrix against Hydra's compose(), on cells of a generated conf.

Speed counts only for equal results, so trees and provenance of random cells are compared first.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.generated_conf import GeneratedConf, generate
from bench.measure import entry, interleaved
from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.composed import Composed
from mlperf_registry.compose.library import CONFIG, Library, Roots
from mlperf_registry.compose.matrix import Matrix
from mlperf_registry.compose.override import parse_override
from mlperf_registry.compose.source import register
from mlperf_registry.compose.tree import walk, without_nulls
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import structure

COMPARED = 200
MATRIX_CELLS = 2_000
HYDRA_CELLS = 8
"""Hydra is given fewer of the same cells: each costs it about a tenth of a second."""

Cells = Sequence[tuple[str, ...]]


def measure(pairs: int = 7) -> dict[str, dict[str, Any]]:
    """The registry's entries of bench.json.

    Raises:
        AssertionError: when a cell differs from Hydra's, or the matrix handed one to Hydra.
    """
    with tempfile.TemporaryDirectory() as folder:
        conf = generate(Path(folder) / "conf")
        library = Library(Roots(conf.root))
        compared = _compare(library, conf.cells(COMPARED, seed=1))
        cells = conf.cells(MATRIX_CELLS, seed=2)
        handed_over: list[int] = []
        slices = _slices(cells)
        timed = interleaved(
            lambda: _matrix_rate(conf, cells, handed_over), lambda: _hydra_rate(library, next(slices)), pairs
        )
        typed = tuple(_structuring_us(library, cells[:200]) for _ in range(pairs))
        parsed = tuple(_parsing_ms(conf) for _ in range(pairs))
    assert not any(handed_over), f"{max(handed_over)} cells were handed to Hydra"
    return {
        "registry_matrix": entry(timed.first, "cells/s"),
        "registry_hydra": entry(timed.second, "cells/s"),
        "registry_matrix_over_hydra": entry(timed.ratios, "times"),
        "registry_equal_cells": {"value": compared, "unit": "cells", "pairs": 1, "spread": 0.0},
        "registry_handed_over": {"value": max(handed_over), "unit": "cells", "pairs": pairs, "spread": 0.0},
        "registry_structuring": entry(typed, "us/cell"),
        "registry_parsing": entry(parsed, "ms"),
    }


def _matrix_rate(conf: GeneratedConf, cells: Cells, handed_over: list[int]) -> float:
    """Cells a second of a new matrix over files already parsed; nothing else is remembered from a turn before."""
    matrix = Matrix(_parsed(conf))
    parse_override.cache_clear()
    started = time.perf_counter()
    for words in cells:
        matrix.compose(words)
    elapsed = time.perf_counter() - started
    handed_over.append(matrix.handed_over)
    return len(cells) / elapsed


def _hydra_rate(library: Library, cells: Cells) -> float:
    """Cells a second of Hydra's own compose(), resolved to plain dicts; each checked against the matrix afterwards."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    register(library)
    with initialize_config_dir(str(library.roots.conf), version_base="1.3"):
        started = time.perf_counter()
        trees = [OmegaConf.to_container(compose(CONFIG, overrides=list(words)), resolve=True) for words in cells]
        elapsed = time.perf_counter() - started
    matrix = Matrix(library)
    for words, tree in zip(cells, trees, strict=True):
        assert without_nulls(tree) == matrix.compose(words).tree, f"the matrix differs from compose(): {words}"
    return len(cells) / elapsed


def _slices(cells: Cells) -> Iterator[Cells]:
    while True:
        for start in range(0, len(cells) - HYDRA_CELLS, HYDRA_CELLS):
            yield cells[start : start + HYDRA_CELLS]


def _compare(library: Library, cells: Cells) -> int:
    matrix = Matrix(library)
    for words in cells:
        fast, slow = matrix.compose(words), compose_cell(library, words)
        assert repr(fast.tree) == repr(_ordered(slow.tree, fast.tree)), f"values differ: {words}"
        assert _provenance(fast) == _provenance(slow), f"provenance differs: {words}"
    return len(cells)


def _ordered(tree: Any, like: Any) -> Any:
    """``tree`` with its keys in the order of ``like``, so that texts compare, in which 1 is neither 1.0 nor True."""
    if not isinstance(tree, dict) or not isinstance(like, dict):
        return tree
    keys = [*(key for key in like if key in tree), *(key for key in tree if key not in like)]
    return {key: _ordered(tree[key], like.get(key)) for key in keys}


def _provenance(composed: Composed) -> dict[tuple[str, ...], Any]:
    return {path: (composed.origin(path), composed.chain(path)) for path, _ in walk(composed.leaves)}


def _structuring_us(library: Library, cells: Cells) -> float:
    matrix = Matrix(library)
    composed = [matrix.compose(words) for words in cells]
    started = time.perf_counter()
    for one in composed:
        structure(Workload, one.tree, origin=one.origin)
    return (time.perf_counter() - started) / len(cells) * 1e6


def _parsing_ms(conf: GeneratedConf) -> float:
    started = time.perf_counter()
    _parsed(conf)
    return (time.perf_counter() - started) * 1e3


def _parsed(conf: GeneratedConf) -> Library:
    """A new library with every file read."""
    library = Library(Roots(conf.root))
    _ = library.config
    for group, options in conf.options.items():
        for option in options:
            library.document(group, option)
    for cell in (*library.tuned.cells, *library.tuned.shared):
        library.tuned.file(cell)
    return library


if __name__ == "__main__":
    for name, figure in measure().items():
        print(f"{name:32} {figure['value']:12.2f} {figure['unit']}")
