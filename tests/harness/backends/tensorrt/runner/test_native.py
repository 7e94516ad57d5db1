"""native.c against a driver that is not NVIDIA's: each step makes the calls it should, in order."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness.backends.tensorrt import native
from harness.backends.tensorrt.device import Do, Step, Steps
from harness.backends.tensorrt.native import Unavailable, open_native

HERE = Path(__file__).parent
STREAM = 9

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here, and it is optional")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def opened(cache, tmp_path):
    """native.c on the stub, and the stub's log of calls."""

    def open_on(*flags):
        driver = tmp_path / "libstub.so"
        subprocess.run(["cc", "-shared", "-fPIC", *flags, "-o", driver, HERE / "stub_cuda.c"], check=True)
        stub = ctypes.CDLL(str(driver))
        return open_native(str(driver)), Stub(stub)

    return open_on


class Stub:
    def __init__(self, library):
        self._library = library

    @property
    def calls(self):
        return ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self._library, "calls"))).decode()

    def refuse(self, number):
        ctypes.c_int.in_dll(self._library, "refuse").value = number


class Batch:
    """Rows of 32 bytes, scattered but for two runs of neighbours."""

    def __init__(self, slots=(3, 4, 5, 0, 9, 9, 1, 2)):
        self.slots = np.array(slots, np.int64)
        self.source = np.arange(10 * 4, dtype=np.int64).reshape(10, 4)
        self.to = np.zeros((len(slots), 4), np.int64)

    def step(self, do, kernel=0):
        return Step(
            do=do,
            stream=STREAM,
            object=kernel,
            to=self.to.ctypes.data,
            source=self.source.ctypes.data,
            slots=self.slots.ctypes.data,
            rows=len(self.slots),
            row_bytes=32,
        )

    @property
    def right(self):
        return (self.to == self.source[self.slots]).all()


def run(library, *steps):
    """CUDA's answer, and the number of the step that was refused."""
    made = Steps(*steps)
    return library.run(made), made.failed.value


BATCH, BATCH_V1 = ("-DBATCH",), ("-DBATCH", "-DBATCH_V1")


@pytest.mark.parametrize(
    ("flags", "do", "kernel", "calls"),
    [
        (BATCH, Do.GATHER_COPIES, 0, "ccccc"),
        (BATCH, Do.GATHER_BATCH, 0, "b"),
        (BATCH_V1, Do.GATHER_BATCH, 0, "b"),
        (BATCH, Do.GATHER_KERNEL, 77, "k"),
        (BATCH, Do.KERNEL, 77, "k"),
    ],
)
def test_every_way_gathers_the_same(opened, flags, do, kernel, calls):
    library, stub = opened(*flags)
    batch = Batch()
    assert run(library, batch.step(do, kernel)) == (0, -1)
    assert batch.right
    assert stub.calls == calls


@pytest.mark.parametrize("do", [Do.GATHER_COPIES, Do.GATHER_BATCH, Do.GATHER_KERNEL])
def test_neighbours_come_in_one_copy(opened, do):
    library, stub = opened(*BATCH)
    batch = Batch(range(2, 9))
    assert run(library, batch.step(do, 77)) == (0, -1)
    assert batch.right
    assert stub.calls == "c"


def test_a_captured_kernel_looks_at_no_slot(opened):
    library, stub = opened(*BATCH)
    batch = Batch(range(2, 9))
    assert run(library, batch.step(Do.KERNEL, 77)) == (0, -1)
    assert batch.right
    assert stub.calls == "k"


def test_a_batch_goes_all_the_way_in_one_call(opened):
    library, stub = opened(*BATCH)
    batch = Batch()
    steps = Steps(
        batch.step(Do.GATHER_BATCH),
        Step(do=Do.RECORD, stream=STREAM, object=5),
        Step(do=Do.WAIT, stream=STREAM, object=5),
        Step(do=Do.LAUNCH, stream=STREAM, object=6),
        Step(do=Do.COPY, stream=STREAM, to=batch.to.ctypes.data, source=batch.source.ctypes.data, rows=1, row_bytes=8),
        Step(do=Do.RECORD, stream=STREAM, object=5),
    )
    assert library.run(steps) == 0
    assert stub.calls == "brwgcr"


def test_an_error_names_its_step_and_ends_the_rest(opened):
    library, stub = opened(*BATCH)
    record, stranger = Step(do=Do.RECORD, stream=STREAM, object=5), Step(do=Do.RECORD, stream=STREAM, object=8)
    assert run(library, record, stranger, record) == (400, 1)
    assert stub.calls == "r"
    stub.refuse(719)
    assert run(library, Batch().step(Do.GATHER_COPIES)) == (719, 0)
    assert stub.calls == "rc"


@pytest.mark.parametrize(("spin", "calls"), [(False, "s"), (True, "q")])
def test_waiting(opened, spin, calls):
    library, stub = opened()
    assert library.wait(5, spin=spin) == 0
    assert stub.calls == calls
    assert library.wait(8, spin=spin) == 400


def test_a_driver_without_batches_says_so(opened):
    assert not opened()[0].copies_in_batches
    library, _ = opened()
    assert run(library, Batch().step(Do.GATHER_BATCH)) == (801, 0)


def test_it_is_compiled_once(cache, monkeypatch):
    with pytest.raises(Unavailable, match="libabsent"):
        open_native("libabsent.so")
    (library,) = (cache / "mlperf-registry").iterdir()
    monkeypatch.setattr(native, "_compile", None)
    with pytest.raises(Unavailable, match="libabsent"):
        open_native("libabsent.so")
    assert [library] == list((cache / "mlperf-registry").iterdir())


def test_without_a_compiler_it_says_so(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="no C compiler"):
        open_native()
    assert not list((cache / "mlperf-registry").iterdir())


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match="libabsent"):
        open_native("libabsent.so")
