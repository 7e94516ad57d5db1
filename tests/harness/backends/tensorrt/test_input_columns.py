"""Columns of a data set and inputs of a plan: which goes where, and which are refused."""

from __future__ import annotations

import numpy as np
import pytest

from harness.backends.tensorrt.inputs import prepare
from harness.backends.tensorrt.record import RECORD_SCHEMA, PlanRecord, PlanTensor, write_record
from harness.benchmarks.dataset import Ragged
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import RunFailed

IMAGES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def turn(tmp_path):
    """Turns columns into inputs of the names, each of three numbers a sample."""

    def of_inputs(*names):
        write_record(
            tmp_path,
            PlanRecord(
                schema=RECORD_SCHEMA,
                backend="tensorrt",
                library_version="8.6.0",
                device="a GPU",
                precision="fp16",
                max_batch=8,
                static_batch=False,
                profiles=1,
                tensors=tuple(PlanTensor(name=name, is_input=True, dtype="float16", shape=(3,)) for name in names),
                seconds=1.0,
            ),
        )
        return prepare(Engine(key="k", path=str(tmp_path), file="engine.plan", sha256="", reused=False, why=""))

    return of_inputs


def test_an_only_column_is_the_only_inputs_whatever_its_name(turn):
    ((name, rows),) = turn("input_tensor:0")({"image": IMAGES}).items()
    assert name == "input_tensor:0"
    assert rows.dtype == np.float16 and np.array_equal(rows, IMAGES)


def test_columns_go_to_inputs_by_name(turn):
    inputs = turn("ids", "mask")({"mask": IMAGES, "ids": -IMAGES})
    assert np.array_equal(inputs["ids"], -IMAGES) and np.array_equal(inputs["mask"], IMAGES)


@pytest.mark.parametrize("names", [("image",), ("image", "ids", "mask")])
def test_other_columns_than_the_engine_has_inputs_are_refused(turn, names):
    with pytest.raises(RunFailed, match=f"The data set has {', '.join(names)}, and the engine takes ids, mask"):
        turn("ids", "mask")(dict.fromkeys(names, IMAGES))


def test_samples_of_different_lengths_are_refused(turn):
    ragged = Ragged(values=IMAGES.reshape(-1), offsets=np.array([0, 2, 6]))
    with pytest.raises(RunFailed, match="The samples of number differ in length"):
        turn("number")({"number": ragged})
