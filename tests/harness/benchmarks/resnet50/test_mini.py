"""The shipped model and test set: small, loadable by old libraries, and what their README says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest

from harness.benchmarks.resnet50 import idx
from mlperf_registry.roots import resolve_path

MINI = resolve_path("package:harness/benchmarks/resnet50/mini", None, source="the package")


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(MINI / "model.onnx")


def test_it_is_small() -> None:
    assert (MINI / "model.onnx").stat().st_size < 2_000_000
    assert sum(path.stat().st_size for path in MINI.glob("*.gz")) < 5_000_000


def test_old_libraries_can_load_it(model: onnx.ModelProto) -> None:
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]
    onnx.checker.check_model(model, full_check=True)


def test_any_batch_size(model: onnx.ModelProto) -> None:
    def shape(tensor: onnx.ValueInfoProto) -> list[int | str]:
        return [size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim]

    tensors = {tensor.name: shape(tensor) for tensor in (*model.graph.input, *model.graph.output)}
    assert tensors == {"input": ["N", 1, 28, 28], "logits": ["N", 10], "label": ["N"]}


def test_it_says_where_it_comes_from(model: onnx.ModelProto) -> None:
    facts = {fact.key: fact.value for fact in model.metadata_props}
    assert facts["dataset"] == "Fashion-MNIST"
    assert {"epochs", "seed", "test_accuracy_percent"} <= facts.keys()
    readme = (MINI / "README.md").read_text()
    assert f"{facts['test_accuracy_percent']} %" in readme
    assert hashlib.sha256((MINI / "model.onnx").read_bytes()).hexdigest() in readme


def test_the_whole_test_set_ships_with_its_licence() -> None:
    assert idx.read_idx(MINI / "t10k-images-idx3-ubyte.gz").shape == (10_000, 28, 28)
    assert idx.read_idx(MINI / "t10k-labels-idx1-ubyte.gz").shape == (10_000,)
    assert "Zalando" in Path(MINI / "LICENSE.fashion-mnist").read_text()
