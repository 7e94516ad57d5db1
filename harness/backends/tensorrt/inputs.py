"""Samples as a plan takes them: number format, memory layout and scale.

All of it is done when samples are loaded, before any clock runs, as MLPerf's rules on preprocessing have it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from harness.backends.tensorrt.record import PlanTensor, read_record
from harness.benchmarks.dataset import Columns, Ragged
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import RunFailed

_ROWS_AT_ONCE = 64
"""Few enough to stay in a processor's cache on the way through several steps."""


def prepare(engine: Engine) -> Callable[[Columns], Columns]:
    """What turns a data set's columns into the inputs of the engine's plan, under their names.

    Raises:
        NotReady: when plan.json is missing.
    """
    inputs = {tensor.name: tensor for tensor in read_record(engine).inputs}

    def turn(columns: Columns) -> Columns:
        # An only column is the only input's, whatever the model calls it.
        if len(columns) == len(inputs) == 1:
            columns = dict(zip(inputs, columns.values(), strict=True))
        if set(columns) != set(inputs):
            raise RunFailed(f"The data set has {', '.join(columns)}, and the engine takes {', '.join(inputs)}.")
        return {name: _rows(inputs[name], column) for name, column in columns.items()}

    return turn


def _rows(tensor: PlanTensor, column: npt.NDArray[np.generic] | Ragged) -> npt.NDArray[np.generic]:
    if isinstance(column, Ragged):
        raise RunFailed(f"The samples of {tensor.name} differ in length, and this engine takes batches of one shape.")
    if column.shape[1:] != tensor.shape:
        raise RunFailed(f"A sample of {tensor.name} has shape {column.shape[1:]}, and the engine takes {tensor.shape}.")
    if column.dtype == tensor.dtype and column.shape[1:] == tensor.row_shape:
        return column
    rows = np.empty((len(column), *tensor.row_shape), tensor.dtype)
    for start in range(0, len(column), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        rows[part] = tensor.rows(column[part])
    return rows
