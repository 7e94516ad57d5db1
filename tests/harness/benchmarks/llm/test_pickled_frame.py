"""DataFrames come out of their pickles with no pandas here, and nothing that a file asks for is run."""

from __future__ import annotations

import os
import pickle
import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from harness.benchmarks.llm.pickled_frame import _KNOWN as KNOWN
from harness.benchmarks.llm.pickled_frame import read_pickled_frame
from mlperf_registry.schema.problem import NotReady

FRAMES = sorted((Path(__file__).parents[3] / "data" / "llm").glob("pandas-*.pkl"))
"""One for each of pandas 1.5.3, 2.2.3 and 3.1.1, by ``DataFrame.to_pickle``."""


@pytest.mark.parametrize("frame", FRAMES, ids=lambda path: path.stem)
def test_every_pandas(frame):
    assert read_pickled_frame(frame.read_bytes()) == {
        "id": ["niv.1", "cot.2", "flan.3"],
        "input": ["One?", "two\nlines", "drüi"],
        "output": ["1", "2", "3"],
        "tok_input": [[1, 2, 3], [4], [5, 6]],
        "tok_input_length": [3, 1, 2],
        "weight": [0.5, 1.5, 2.5],
    }


class _Runs:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "function", [os.system, eval, exec, __import__, getattr], ids=lambda function: function.__name__
)
def test_nothing_is_run(tmp_path, function, protocol):
    mark = tmp_path / "ran"
    harmful = _Runs(function, f"open({str(mark)!r}, 'w')")
    with pytest.raises(NotReady, match=r"it names .*, which is no part of a table"):
        read_pickled_frame(pickle.dumps({"rows": [harmful]}, protocol))
    assert not mark.exists()


@pytest.mark.parametrize(
    "kind", ["numpy.ndarray", "pandas.DataFrame", "pandas.Index", "numpy.core.multiarray.scalar", "_codecs.encode"]
)
@pytest.mark.parametrize(
    "state", [b"}X\x01\x00\x00\x00aX\x01\x00\x00\x00bs", b"N}X\x01\x00\x00\x00aX\x01\x00\x00\x00bs\x86"]
)
def test_nothing_that_a_file_names_is_changed(kind, state):
    """Opcodes by hand: GLOBAL, a state of attributes or of slots, BUILD."""
    module, _, name = kind.rpartition(".")
    with pytest.raises(NotReady):
        read_pickled_frame(b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b.")
    assert not any(hasattr(target, "a") for target in KNOWN.values())


def test_bytes_do_not_become_objects():
    """``numpy.ndarray((1,), "O", bytes)``: numpy itself would take the bytes for addresses."""
    with pytest.raises(NotReady):
        read_pickled_frame(pickle.dumps(_Runs(np.ndarray, (1,), "O", bytearray(b"A" * 8)), 2))


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps({"a": [1]})])
def test_other_content_is_refused_with_the_cure(content):
    with pytest.raises(NotReady, match="to_json"):
        read_pickled_frame(content)


@pytest.mark.parametrize("cut", [10, 200, 600])
def test_a_frame_cut_short(cut):
    with pytest.raises(NotReady, match="no pickled DataFrame"):
        read_pickled_frame(FRAMES[0].read_bytes()[:cut])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("frame", FRAMES, ids=lambda path: path.stem)
def test_flipped_bytes_are_refused_or_read_and_crash_nothing(frame):
    drawn, whole = random.Random(20261122), frame.read_bytes()
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(drawn.randint(1, 4)):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        with suppress(NotReady):
            read_pickled_frame(bytes(content))
