"""Engines built for ONNX Runtime: each level of optimisation, and what cannot be built."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from harness.backends.onnxruntime.builder import OnnxRuntimeBuilder
from harness.backends.onnxruntime.runner import open_session
from mlperf_registry import plugins
from mlperf_registry.roots import resolve_path
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError, NotReady, RunFailed

MODEL = resolve_path("package:harness/benchmarks/resnet50/mini/model.onnx", None, source="the package")


def recipe(level: str = "full", precision: object = None, model: Path = MODEL) -> Recipe:
    return Recipe(
        backend="onnxruntime",
        library_version="1",
        builder="harness.backends.onnxruntime.builder:OnnxRuntimeBuilder",
        builder_version=OnnxRuntimeBuilder.version,
        device="cpu",
        model_path=str(model),
        model_sha256="",
        values={
            "builder.precision": precision or {"resnet50": "fp32"},
            "backend.options.graph_optimization": level,
        },
    )


def test_the_plugin_table_names_it_and_what_it_reads() -> None:
    plugin = plugins.backend("onnxruntime")
    assert plugins.load(str(plugin.builder)) is OnnxRuntimeBuilder
    assert set(plugin.reads) == set(recipe().values)


def test_disabled_keeps_the_model_as_it_is(tmp_path: Path) -> None:
    file = OnnxRuntimeBuilder().build(recipe("disabled"), tmp_path)
    assert (tmp_path / file).read_bytes() == MODEL.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("level", ["basic", "extended", "full"])
def test_optimised_engines_answer_as_the_model_does(
    tmp_path: Path, level: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = OnnxRuntimeBuilder().build(recipe(level), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [file]
    images = np.random.default_rng(0).normal(size=(9, 1, 28, 28)).astype(np.float32)
    (expected,) = open_session(MODEL, 1).run(["logits"], {"input": images})
    (got,) = open_session(tmp_path / file, 1).run(["logits"], {"input": images})
    assert got == pytest.approx(expected, abs=1e-4)
    assert capfd.readouterr() == ("", "")


def test_full_fuses_more_than_the_model_has(tmp_path: Path) -> None:
    file = OnnxRuntimeBuilder().build(recipe("full"), tmp_path)
    assert len(onnx.load(tmp_path / file).graph.node) < len(onnx.load(MODEL).graph.node)


@pytest.mark.parametrize("precision", [{"resnet50": "fp16"}, {"resnet50": "int8"}, {"a": "fp32", "b": "fp8"}])
def test_other_precisions_are_refused_before_anything_is_built(tmp_path: Path, precision: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        OnnxRuntimeBuilder().build(recipe(precision=precision), tmp_path)
    (problem,) = caught.value.problems
    assert problem.path == "builder.precision"
    assert "fp32 only" in problem.message
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_a_sentence(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(MODEL.read_bytes()[:1000])
    with pytest.raises(RunFailed, match=r"cannot build an engine from .*model\.onnx"):
        OnnxRuntimeBuilder().build(recipe(model=model), tmp_path)


def test_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotReady, match="pip install onnxruntime"):
        OnnxRuntimeBuilder().build(recipe(), tmp_path)


@pytest.mark.parametrize("explicit", [True, False], ids=["cause", "context"])
def test_an_interrupt_while_the_library_is_imported_is_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, explicit: bool
) -> None:
    raised = "raise ImportError('no numpy') from error" if explicit else "raise ImportError('no numpy')"
    (tmp_path / "onnxruntime.py").write_text(
        f"try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt as error:\n    {raised}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(KeyboardInterrupt):
        OnnxRuntimeBuilder().build(recipe(), tmp_path)
