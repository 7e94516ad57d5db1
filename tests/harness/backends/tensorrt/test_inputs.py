"""Samples as plans take them: names, number formats and memory layouts."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backends.tensorrt.inputs import prepare
from harness.backends.tensorrt.record import RECORD_SCHEMA, PlanRecord, PlanTensor, write_record
from harness.benchmarks.dataset import Prepared
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import RunFailed

SAMPLES = np.random.default_rng(0).normal(0, 60, (130, 3, 4, 5)).astype(np.float32)


class Images:
    def __len__(self):
        return len(SAMPLES)

    def load(self, indices):
        return {"image": SAMPLES[indices]}


@pytest.fixture
def prepared(tmp_path):
    def make(**form):
        tensor = PlanTensor(name="input", is_input=True, **{"shape": (3, 4, 5), "dtype": "float32", **form})
        out = PlanTensor(name="label", is_input=False, dtype="int32", shape=())
        record = PlanRecord(
            schema=RECORD_SCHEMA,
            backend="tensorrt",
            library_version="8.6.0",
            device="a GPU",
            precision="int8",
            max_batch=8,
            static_batch=False,
            profiles=1,
            tensors=(tensor, out),
            seconds=1.0,
        )
        write_record(tmp_path, record)
        engine = Engine(key="k", path=str(tmp_path), file="engine.plan", sha256="", reused=True, why="")
        return Prepared(Images(), prepare(engine)).load(np.arange(len(SAMPLES)))["input"]

    return make


def test_fp32_is_handed_on_and_fp16_rounded(prepared):
    assert np.array_equal(prepared(), SAMPLES)
    half = prepared(dtype="float16")
    assert half.dtype == np.float16 and np.array_equal(half, SAMPLES.astype(np.float16))


def test_int8_is_quantised_with_the_inputs_scale(prepared):
    linear = prepared(dtype="int8", scale=1.25)
    assert linear.dtype == np.int8 and linear.flags.c_contiguous
    assert np.array_equal(linear, np.clip(np.rint(SAMPLES / np.float32(1.25)), -128, 127))
    assert np.abs(linear.astype(np.float32) * 1.25 - SAMPLES)[np.abs(SAMPLES) < 150].max() <= 0.626


@pytest.mark.parametrize(("form", "lanes"), [("chw4", 4), ("chw32", 32)])
def test_vectorised_formats_put_channels_side_by_side(prepared, form, lanes):
    rows = prepared(dtype="int8", scale=1.0, format=form)
    assert rows.shape == (130, 1, 4, 5, lanes) and rows.flags.c_contiguous
    assert np.array_equal(np.moveaxis(rows[:, 0, :, :, :3], -1, 1), np.clip(np.rint(SAMPLES), -128, 127))
    assert not rows[..., 3:].any()


def test_samples_of_another_shape_are_refused(prepared):
    with pytest.raises(RunFailed, match=r"\(3, 4, 5\).*\(3, 8, 8\)"):
        prepared(shape=(3, 8, 8))
