"""Reads the files that MLPerf ships language data sets in: columns of a JSON, pickled or Parquet table."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.benchmarks.llm.pickled_frame import read_pickled_frame
from mlperf_registry.schema.problem import NotReady, WrongData

Table = dict[str, Sequence[Any]]
"""Column name to the values of each row."""

_GZIP, _PARQUET, _PICKLE = b"\x1f\x8b", b"PAR1", b"\x80"


def read_table(path: Path) -> Table:
    """Every column of a file: a JSON array of records, JSON lines, a pickled DataFrame or Parquet, each also gzipped.

    Raises:
        WrongData: when the file cannot be read, or is none of these.
        NotReady: when the package that reads it is not installed.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise WrongData(f"{path} cannot be read: {error}. Get it again.") from error
    try:
        if content.startswith(_PARQUET):
            return _parquet(content)
        if content.startswith(_PICKLE):
            return dict(read_pickled_frame(content))
        return _records(content)
    except NotReady as error:
        raise type(error)(f"{path} is not read: {error}") from error


def column(table: Table, name: str, path: Path, option: str) -> Sequence[Any]:
    """One column.

    Raises:
        WrongData: when the table has none of that name.
    """
    if name not in table:
        raise WrongData(
            f"{path} has no column {name!r}, only {', '.join(table)}: it is another file than benchmark.options."
            f"{option} speaks of. Get the right one, or name the column that it has."
        )
    return table[name]


def _records(content: bytes) -> Table:
    try:
        records = json.loads(content)
    except (ValueError, RecursionError):
        try:
            records = [json.loads(line) for line in content.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise WrongData(f"it is neither JSON ({error}) nor a pickle, nor Parquet. Get it again.") from error
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        raise WrongData("its JSON is no array of records. Get it again.")
    lacking = next((row for row, record in enumerate(records) if record.keys() != records[0].keys()), None)
    if lacking is not None:
        raise WrongData(f"record {lacking} has other fields than the first. Get the file again.")
    return {name: [record[name] for record in records] for name in records[0]}


def _parquet(content: bytes) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise NotReady("Parquet needs pyarrow, not installed here: pip install pyarrow") from error
    try:
        found = parquet.read_table(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise WrongData(f"it is a damaged Parquet file: {error}. Get it again.") from error
    return {str(name): found.column(name).to_pylist() for name in found.column_names}
