"""The recipe of an Edge-LLM engine: which steps a source needs, what each is given, and what is said when one fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.backends.tensorrt_edgellm import builder as builder_module
from harness.backends.tensorrt_edgellm.builder import EdgeLlmBuilder
from harness.backends.tensorrt_edgellm.record import read_record
from harness.backends.tensorrt_edgellm.source import find_source
from harness.backends.tensorrt_edgellm.steps import steps
from mlperf_registry.schema.engine import Engine, Recipe
from mlperf_registry.schema.problem import ConfigError, NotReady, RunFailed

VALUES: dict[str, Any] = {
    "llm.trtllm_build_flags.max_batch_size": 4,
    "llm.trtllm_build_flags.max_input_len": 100,
    "llm.trtllm_build_flags.max_seq_len": 128,
    "backend.options.quantization": "int4_awq",
    "backend.options.calibration_samples": 512,
}


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder_module, "find_spec", lambda name: name)


def recipe(model: Path, **values: Any) -> Recipe:
    return Recipe(
        backend="tensorrt_edgellm",
        library_version="0.11.0",
        builder="harness.backends.tensorrt_edgellm.builder:EdgeLlmBuilder",
        builder_version=1,
        device="NVIDIA Thor, compute capability 11.0",
        model_path=str(model),
        model_sha256="0" * 64,
        values={**VALUES, **{path.replace("__", "."): value for path, value in values.items()}},
    )


def build(model: Path, folder: Path, **values: Any) -> tuple[Any, Path, list[str]]:
    folder.mkdir(exist_ok=True)
    told: list[str] = []
    file = EdgeLlmBuilder(told.append).build(recipe(model, **values), folder)
    record, engine = read_record(Engine(key="k", path=str(folder), file=file, sha256="", reused=False, why=""))
    return record, engine, told


def test_w4a16_from_a_checkpoint_is_three_commands(checkpoint: Path, tmp_path: Path) -> None:
    quantise, export, compile_ = steps(find_source(checkpoint), VALUES, tmp_path / "work", tmp_path / "engine")
    work = tmp_path / "work"
    assert quantise.command == (
        *("tensorrt_edgellm.scripts.quantize", "llm"),
        *("--model_dir", str(checkpoint), "--output_dir", str(work / "checkpoint")),
        *("--quantization", "int4_awq", "--num_samples", "512"),
    )
    assert export.command == (
        "tensorrt_edgellm.scripts.export",
        *(str(work / "checkpoint"), str(work / "onnx")),
    )
    assert compile_.command == (
        "harness.backends.tensorrt_edgellm.compile",
        *("--onnx-dir", str(work / "onnx" / "llm"), "--engine-dir", str(tmp_path / "engine")),
        *("--max-batch-size", "4", "--max-input-len", "100", "--max-kv-cache-capacity", "128"),
    )


def test_what_the_options_say_reaches_the_quantiser_and_the_exporter(checkpoint: Path, tmp_path: Path) -> None:
    values = {
        **VALUES,
        "backend.options.lm_head_quantization": "fp8",
        "backend.options.calibration_path": "/data/calibration.json",
        "backend.options.fp8_embedding": True,
        "llm.trtllm_checkpoint_flags.kv_cache_dtype": "fp8",
    }
    quantise, export, _ = steps(find_source(checkpoint), values, tmp_path / "work", tmp_path / "engine")
    assert quantise.command[-4:] == ("--lm_head_quantization", "fp8", "--kv_cache_quantization", "fp8")
    assert quantise.environment == {"EDGELLM_QUANT_DATASET_CNN_DAILYMAIL": "/data/calibration.json"}
    assert export.command[-1] == "--fp8-embedding"


def test_a_checkpoint_becomes_an_engine(library: ModuleType, checkpoint: Path, tmp_path: Path) -> None:
    record, engine, told = build(checkpoint, tmp_path / "home", backend__options__calibration_path="/cal.json")
    assert told == ["quantising", "exporting", "building"]
    assert (record.max_batch_size, record.max_input_len, record.max_kv_cache_capacity) == (4, 100, 128)
    assert record.eos_token_ids == (1, 2)
    config = json.loads((engine / "config.json").read_text())
    assert config["quantization_config"] == {"quant_algo": "int4_awq", "articles": "/cal.json", "samples": 512}
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["build.log", "engine", "engine.json"]
    assert "--quantization int4_awq" in (tmp_path / "home" / "build.log").read_text()


def test_a_step_that_the_source_has_behind_it_is_left_out(
    library: ModuleType, checkpoint: Path, tmp_path: Path
) -> None:
    assert build(checkpoint, tmp_path / "fp16", backend__options__quantization=None)[2] == ["exporting", "building"]
    (checkpoint / "hf_quant_config.json").write_text("{}")
    assert build(checkpoint, tmp_path / "quantised")[2] == ["exporting", "building"]
    onnx = tmp_path / "onnx" / "llm"
    shutil.copytree(checkpoint, onnx)
    (onnx / "model.onnx").write_text("network")
    assert build(onnx, tmp_path / "of_llm")[2] == ["building"]
    assert build(onnx.parent, tmp_path / "of_export")[2] == ["building"]


def test_an_engine_that_is_built_is_used_where_it_lies(library: ModuleType, checkpoint: Path, tmp_path: Path) -> None:
    _, engine, _ = build(checkpoint, tmp_path / "home")
    record, found, told = build(engine, tmp_path / "again", llm__trtllm_build_flags__max_batch_size=64)
    assert (found, told) == (engine, [])
    room = EdgeLlmBuilder().room
    assert (room(recipe(engine), 100), room(recipe(checkpoint), 100)) == (0, 200)
    assert record.max_batch_size == 4
    home = Engine(key="k", path=str(tmp_path / "again"), file="engine.json", sha256="", reused=True, why="")
    (engine / "llm.engine").write_text("another engine")
    with pytest.raises(NotReady, match="14 bytes, and had 6 when it was recorded"):
        read_record(home)


def test_a_cached_engine_may_be_moved_with_its_folder(library: ModuleType, checkpoint: Path, tmp_path: Path) -> None:
    build(checkpoint, tmp_path / "home")
    (tmp_path / "home").rename(tmp_path / "moved")
    moved = Engine(key="k", path=str(tmp_path / "moved"), file="engine.json", sha256="", reused=True, why="")
    assert read_record(moved)[1] == tmp_path / "moved" / "engine"


def test_a_folder_that_is_no_source_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither a checkpoint .* nor an ONNX network .* nor an engine"):
        find_source(tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"llm.trtllm_build_flags.max_input_len": None}, "max_input_len: is not set"),
        ({"llm.trtllm_build_flags.max_seq_len": None}, "max_seq_len: is not set"),
        ({"llm.trtllm_build_flags.max_seq_len": 100}, "leaves no room for answers"),
        ({"llm.trtllm_checkpoint_flags.kv_cache_dtype": "int8"}, "keeps its KV cache in fp16 or fp8"),
    ],
)
def test_what_cannot_be_built_is_refused_before_the_first_step(
    checkpoint: Path, tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        steps(find_source(checkpoint), {**VALUES, **values}, tmp_path, tmp_path)


def test_a_missing_package_is_said_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch, library: ModuleType, checkpoint: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(builder_module, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(NotReady, match="Exporting needs onnxscript, not installed here"):
        build(checkpoint, tmp_path / "home")
    assert not (tmp_path / "home" / "build.log").exists()


def test_a_step_that_fails_says_its_last_words(
    monkeypatch: pytest.MonkeyPatch, library: ModuleType, checkpoint: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPORT_FAILS", "1")
    with pytest.raises(RunFailed, match=r"Exporting ended with exit code 1.*'mamba' has no exporter"):
        build(checkpoint, tmp_path / "home")
    assert not (tmp_path / "home" / "work").exists()


def test_an_engine_that_is_not_built_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, library: ModuleType, checkpoint: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("EXPORTED", "broken")
    with pytest.raises(RunFailed, match=r"Building ended with exit code 1.*built no engine from"):
        build(checkpoint, tmp_path / "home")
