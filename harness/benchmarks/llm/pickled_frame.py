"""Reads a pickled pandas DataFrame without pandas, and without running anything that the file asks for.

A pickle names the functions that rebuild it, and any function would do: here only those that make frames and arrays are
known, by stand-ins that keep the data. What pandas 1.3 to 3 write is read, with whichever numpy.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from mlperf_registry.schema.problem import NotReady


class _StandIn:
    """What is left of a class of pandas: what it was made with, and the state that it was given."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self.args = args
        self.named = named
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Frame(_StandIn):
    pass


class _Manager(_StandIn):
    pass


class _Block(_StandIn):
    pass


class _Array(_StandIn):
    """An array of pandas around one of numpy."""


class _IndexKind:
    """Which class an index is of: it is not needed."""


class _Index(_StandIn):
    pass


_ARRAY = np.ndarray[Any, np.dtype[Any]]


def _reconstruct(kind: type, shape: tuple[int, ...], code: bytes) -> _ARRAY:
    made: _ARRAY = np.ndarray(shape, np.dtype(code.decode()))
    return made


def _from_buffer(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any) -> _ARRAY:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


def _scalar(dtype: Any, value: Any) -> Any:
    return np.frombuffer(value, dtype=dtype)[0] if isinstance(value, bytes) else value


def _encode(text: str, encoding: str) -> bytes:
    """How protocols before 3 write bytes."""
    return text.encode(encoding)


_INDEXES = ("Index", "Int64Index", "UInt64Index", "Float64Index", "NumericIndex", "RangeIndex")

_KNOWN: dict[str, Callable[..., Any] | type] = {
    "pandas.core.frame.DataFrame": _Frame,
    "pandas.DataFrame": _Frame,
    "pandas.core.internals.managers.BlockManager": _Manager,
    "pandas._libs.internals._unpickle_block": _Block,
    "pandas.core.internals.blocks.new_block": _Block,
    "pandas._libs.internals.BlockPlacement": _StandIn,
    "pandas.core.indexes.base._new_Index": _Index,
    **{
        f"pandas.core.indexes.{module}.{name}": _IndexKind
        for module in ("base", "numeric", "range")
        for name in _INDEXES
    },
    **{f"pandas.{name}": _IndexKind for name in _INDEXES},
    "pandas.core.arrays.string_.StringArray": _Array,
    "pandas.arrays.StringArray": _Array,
    "pandas.core.arrays.string_.StringDtype": _StandIn,
    "pandas.StringDtype": _StandIn,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _Array,
    "pandas._libs.missing.NAType": _StandIn,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{
        f"{module}.{kind.__name__}": kind
        for module in ("builtins", "__builtin__")
        for kind in (slice, bytes, bytearray)
    },
    "_codecs.encode": _encode,
}
"""Everything that a file may name; all of it only keeps data."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {full}, which is no part of a table of numbers and text")
        return _KNOWN[full]


def read_pickled_frame(content: bytes) -> dict[str, list[Any]]:
    """Column name to the values of each row.

    Raises:
        NotReady: when the content is no DataFrame, damaged, or asks for anything beyond data.
    """
    try:
        frame = _Reader(io.BytesIO(content)).load()
        return _columns(frame)
    except NotReady:
        raise
    except Exception as error:  # a file of someone else's may break in any way
        raise NotReady(
            f"it is no pickled DataFrame that can be read without running it: {error or type(error).__name__}. If you "
            'trust it, convert it: python -c "import pandas, sys; pandas.read_pickle(sys.argv[1]).to_json(sys.argv[2], '
            "orient='records')\" FILE.pkl FILE.json"
        ) from error


def _columns(frame: Any) -> dict[str, list[Any]]:
    if not isinstance(frame, _Frame):
        raise ValueError(f"it holds a {type(frame).__name__}, not a DataFrame")
    manager = frame.state.get("_mgr") if isinstance(frame.state, dict) else None
    if not isinstance(manager, _Manager):
        raise ValueError("its DataFrame has no blocks")
    names, blocks = _blocks(manager)
    columns: dict[str, list[Any]] = {}
    for values, places in blocks:
        rows = _values(values)
        if rows.ndim == 1:
            rows = rows[np.newaxis]
        for row, place in enumerate(places):
            columns[str(names[place])] = rows[row].tolist()
    return {str(name): columns[str(name)] for name in names}


def _blocks(manager: _Manager) -> tuple[list[Any], list[tuple[Any, list[int]]]]:
    """Names of the columns, and each block's values with the columns that they are of."""
    blocks, axes = manager.args[:2]
    names = _labels(axes[0])
    return names, [(block.args[0], _places(block.args[1], len(names))) for block in blocks]


def _labels(index: Any) -> list[Any]:
    made_with = index.args[1]
    if "data" in made_with:
        return list(_values(made_with["data"]).tolist())
    return list(range(made_with["start"], made_with["stop"], made_with["step"]))


def _places(placement: Any, count: int) -> list[int]:
    if isinstance(placement, _StandIn):
        placement = placement.args[0]
    if isinstance(placement, slice):
        return list(range(*placement.indices(count)))
    return [int(place) for place in np.asarray(placement)]


def _values(values: Any) -> _ARRAY:
    """The array of numpy inside an array of pandas, which keeps it in its state."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, _Array):
        for part in values.state if isinstance(values.state, tuple) else (values.state,):
            if isinstance(part, np.ndarray):
                return part
            if isinstance(part, dict):
                found = next((inner for inner in part.values() if isinstance(inner, np.ndarray)), None)
                if found is not None:
                    return found
    raise ValueError(f"it has a column of {type(values).__name__}, which is neither numbers nor text")
