"""Builds by TensorRT for RTX in this process: what it tells meanwhile, and what it makes of the input's layout."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace

import pytest

from harness.backends.tensorrt.compile import compile_plan
from harness.backends.tensorrt.inspection import read_inspection
from harness.backends.tensorrt.record import read_record
from tests.harness.backends.tensorrt.mini_network import MINI, MINI_CACHE, engine_of, make_recipe

pytest.importorskip("tensorrt_rtx", reason="plans are built with tensorrt-rtx-cu13")


@pytest.fixture
def compiled(tmp_path):
    """Builds a plan of the mini; returns its engine and what was told."""

    def run(**changes):
        told = []
        compile_plan(make_recipe(MINI, MINI_CACHE, **changes), tmp_path / "engine.plan", told.append)
        return engine_of(tmp_path), told

    return run


def test_progress_rises_while_it_builds(compiled, monkeypatch):
    clock = itertools.count(0, 60)  # a minute goes by each time that someone looks: the mini is built within a second
    monkeypatch.setattr("harness.backends.tensorrt.monitor.time", SimpleNamespace(monotonic=lambda: next(clock)))
    _, told = compiled()
    assert told[:2] == ["reading the network", "building"]
    shares = [int(re.fullmatch(r"building \[#* *\] +(\d+) ?%", one)[1]) for one in told[2:]]
    assert len(shares) >= 4 and shares == sorted(set(shares))
    assert shares[0] < 50 < shares[-1] <= 100


def test_a_build_of_less_than_a_second_shows_no_bar(compiled, monkeypatch):
    monkeypatch.setattr("harness.backends.tensorrt.monitor.time", SimpleNamespace(monotonic=lambda: 0.0))
    assert compiled()[1] == ["reading the network", "building"]


@pytest.mark.parametrize("capability", [7.5, 8.6])
def test_an_input_of_32_channels_side_by_side_is_taken_as_it_lies(compiled, capability):
    engine, _ = compiled(
        builder__precision="int8",
        builder__input_dtype="int8",
        builder__input_format="chw32",
        builder__compute_capability=capability,
    )
    (image,) = read_record(engine).inputs
    assert (image.dtype, image.format, image.row_shape) == ("int8", "chw32", (1, 28, 28, 32))
    layers = read_inspection(engine).layers
    first = next(layer for layer in layers if "int8" in layer.inputs)
    # The axis of 32 makes five of them, which have no name; what reads them gives the convolution what it takes.
    expected = "int8 NHWC" if capability > 7.5 else "half NHWC"
    assert "input_dq" in first.made_of and first.outputs == (expected,)


def test_what_shapes_a_build_is_taken_together(compiled):
    engine, _ = compiled(
        builder__workspace_size=1 << 30,
        builder__optimization_level=0,
        builder__strongly_typed=True,
        builder__tactic_sources=["jit_convolutions"],
    )
    assert read_record(engine).precision == "fp16"
