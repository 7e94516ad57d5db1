"""Reads a pickled pandas DataFrame without pandas, and without running anything that the file asks for.

A pickle names the functions that rebuild it, and any function would do: here only those that make frames and arrays are
known, by stand-ins that keep the data. What pandas 1.3 to 3 write is read, with whichever numpy.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from mlperf_registry.schema.problem import WrongData


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


class _Placement(_StandIn):
    """Which columns a block has: a slice or an array."""


class _IndexKind(_StandIn):
    """Which class an index is of: it is not needed."""


class _Index(_StandIn):
    pass


_ARRAY = np.ndarray[Any, np.dtype[Any]]

_PLAIN = re.compile(r"[biuf][1248]|O8?")
"""Booleans, integers, floats, and objects."""


class _Dtype(_StandIn):
    """A dtype. Not numpy's own, which believes whatever state a file gives it."""

    @property
    def plain(self) -> np.dtype[Any]:
        code = self.args[0]
        if not isinstance(code, str) or not _PLAIN.fullmatch(code):
            raise ValueError(f"it has values of the type {code}, which are neither numbers nor text")
        order: Any = self.state[1] if self.state else "="
        plain: np.dtype[Any] = np.dtype(code).newbyteorder(order)
        return plain


class _Ndarray(_StandIn):
    """An array. Not numpy's own, for the same reason."""

    @property
    def array(self) -> _ARRAY:
        _, shape, dtype, by_column, content = self.state
        return _shaped(content, dtype, shape, "F" if by_column else "C")


class _Buffered(_StandIn):
    """An array by protocol 5."""

    @property
    def array(self) -> _ARRAY:
        content, dtype, shape, order = self.args
        return _shaped(content, dtype, shape, order)


def _shaped(content: Any, dtype: _Dtype, shape: tuple[int, ...], order: Any) -> _ARRAY:
    plain = dtype.plain
    flat: _ARRAY
    if plain.kind == "O":
        flat = np.empty(len(content), object)
        flat[:] = content
    else:
        flat = np.frombuffer(bytes(content), plain)
    return flat.reshape(shape, order=order)


class _Function:
    """A function that a file may call, and not change: pickles set attributes of whatever they name."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets the state of a function")


def _reconstruct(kind: type, shape: tuple[int, ...], code: bytes) -> _Ndarray:
    return _Ndarray()


def _scalar(dtype: _Dtype, value: Any) -> Any:
    return np.frombuffer(value, dtype.plain)[0].item() if isinstance(value, bytes) else value


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
    "pandas._libs.internals.BlockPlacement": _Placement,
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
    "numpy.ndarray": _Ndarray,
    "numpy.dtype": _Dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _Function(_reconstruct) for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _Buffered for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Function(_scalar) for core in ("core", "_core")},
    **{
        f"{module}.{kind.__name__}": kind
        for module in ("builtins", "__builtin__")
        for kind in (slice, bytes, bytearray)
    },
    "_codecs.encode": _Function(_encode),
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
        WrongData: when the content is no DataFrame, damaged, or asks for anything beyond data.
    """
    try:
        frame = _Reader(io.BytesIO(content)).load()
        return _columns(frame)
    except WrongData:
        raise
    except Exception as error:  # a file of someone else's may break in any way
        raise WrongData(
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
            columns[str(names[place])] = [_value(value) for value in rows[row].tolist()]
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
    if isinstance(placement, _Placement):
        placement = placement.args[0]
    if isinstance(placement, slice):
        return list(range(*placement.indices(count)))
    return [int(place) for place in _values(placement)]


def _value(value: Any) -> Any:
    """A cell: rows of tokens may be arrays themselves."""
    return value.array if isinstance(value, _Ndarray | _Buffered) else value


def _values(values: Any) -> _ARRAY:
    """The array of a block or an index; an array of pandas keeps it in its state."""
    if isinstance(values, _Ndarray | _Buffered):
        array: _ARRAY = values.array
        return array
    if isinstance(values, _Array):
        for part in values.state if isinstance(values.state, tuple) else (values.state,):
            inside = part.values() if isinstance(part, dict) else (part,)
            found = next((inner for inner in inside if isinstance(inner, _Ndarray | _Buffered)), None)
            if found is not None:
                return found.array
    raise ValueError(f"it has a column of {type(values).__name__}, which is neither numbers nor text")
