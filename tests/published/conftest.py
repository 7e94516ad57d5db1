"""What tests of published configurations share: a sample of them, and the registry that ships."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlperf_registry.published.renames import Renames, load_renames
from mlperf_registry.published.rows import Row, read_rows
from mlperf_registry.registry import Registry

SAMPLE = Path(__file__).with_name("sample.jsonl")
"""Configurations of every round, benchmark and harness, with each slip and odd form that NVIDIA published."""


@pytest.fixture(scope="session")
def registry(checkout: Path) -> Registry:
    """What ships with the package."""
    return Registry.load(checkout / "conf", plugins=[])


@pytest.fixture(scope="session")
def renames() -> Renames:
    """The table that ships with the package."""
    return load_renames()


@pytest.fixture(scope="session")
def sample(renames: Renames) -> tuple[Row, ...]:
    """The rows of the sample."""
    return read_rows(SAMPLE, renames.options)


@pytest.fixture
def published(tmp_path: Path) -> Callable[[Iterable[Mapping[str, Any]]], Path]:
    """Writes a file of published configurations."""

    def write(rows: Iterable[Mapping[str, Any]]) -> Path:
        path = tmp_path / "published.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return path

    return write
