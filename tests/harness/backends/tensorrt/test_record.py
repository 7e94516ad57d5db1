"""plan.json: what inputs take, without the library."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.backends.tensorrt.record import RECORD_SCHEMA, PlanTensor, read_record
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import NotReady, RunFailed


def tensor(**changes) -> PlanTensor:
    return PlanTensor(**{"name": "image", "is_input": True, "dtype": "int8", "shape": (3, 2, 2), **changes})


def test_real_values_become_steps_that_saturate():
    rows = tensor(scale=0.5, shape=(4,)).rows(np.array([[0.24, 0.26, -1000.0, 1000.0]], np.float32))
    assert rows.dtype == np.int8 and rows.tolist() == [[0, 1, -128, 127]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_in_words_of_their_own(value):
    with pytest.raises(RunFailed, match=r"Samples of image have values that are no finite numbers: prepare"):
        tensor(scale=0.5, shape=(3,)).rows(np.array([[1.0, value, 2.0]], np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16])
def test_real_values_of_any_format_become_steps(dtype):
    assert tensor(scale=0.5, shape=(2,)).rows(np.array([[3, 200]], dtype)).tolist() == [[6, 127]]


def test_quantised_samples_are_not_quantised_again():
    samples = np.array([[1, 2, 3]], np.int8)
    assert tensor(scale=0.5, shape=(3,)).rows(samples) is samples


@pytest.mark.parametrize(("layout", "lanes"), [("chw4", 4), ("chw32", 32)])
def test_vectorised_layouts_put_channels_side_by_side(layout, lanes):
    image = tensor(format=layout, scale=1.0)
    samples = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    rows = image.rows(samples)
    assert rows.shape[1:] == image.row_shape == (1, 2, 2, lanes)
    assert image.row_bytes == rows[0].nbytes
    assert (rows[1, 0, 1, 0, :3] == samples[1, :, 1, 0]).all() and not rows[..., 3:].any()


def test_other_inputs_take_their_own_format():
    image = tensor(dtype="float16")
    assert image.rows(np.ones((1, 3, 2, 2), np.float32)).dtype == np.float16 and image.row_bytes == 24


@pytest.mark.parametrize("samples", [np.array([[0.4, 300.7]], np.float32), np.array([[1, 200]], np.uint8)])
def test_samples_that_integers_cannot_hold_are_refused_where_no_scale_is_known(samples):
    with pytest.raises(RunFailed, match=r"Samples of image are .*int8.*no scale"):
        tensor(shape=(2,)).rows(samples)


def test_integers_of_another_width_are_taken_where_they_fit():
    rows = tensor(dtype="int32", shape=(2,)).rows(np.array([[101, 30522]], np.int64))
    assert rows.dtype == np.int32 and rows.tolist() == [[101, 30522]]


def test_a_record_of_an_earlier_build_is_read(tmp_path):
    tree = {
        "schema": RECORD_SCHEMA,
        "backend": "tensorrt",
        "library_version": "8.6.0",
        "device": "a GPU",
        "precision": "int8",
        "max_batch": 8,
        "static_batch": False,
        "profiles": 1,
        "tensors": [],
        "seconds": 1.0,
    }
    (tmp_path / "plan.json").write_text(json.dumps(tree))
    engine = Engine(key="0", path=str(tmp_path), file="engine.plan", sha256="", reused=True, why="")
    record = read_record(engine)
    assert not record.version_compatible and record.dla_core is None


@pytest.mark.parametrize("content", [None, "{", '{"schema": 99}', '{"schema": 1}'])
def test_a_record_that_cannot_be_read_says_how_to_get_one(tmp_path, content):
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    engine = Engine(key="0", path=str(tmp_path), file="engine.plan", sha256="", reused=True, why="")
    with pytest.raises(NotReady, match="force_build_engines"):
        read_record(engine)
