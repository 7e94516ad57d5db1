"""Random networks: made once, found again, and never in the place of a trained one."""

from __future__ import annotations

import json

import pytest

from mlperf_registry.execute.model import find_model, model_digest
from mlperf_registry.execute.readiness import require_ready
from mlperf_registry.execute.recipe import make_recipe
from mlperf_registry.schema.problem import ConfigError, NotReady


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_random_network_is_made_once_and_needs_no_data(make_workload, cache):
    workload = make_workload("benchmark=resnet50", "model.weights=random")
    require_ready(workload)
    (made,) = cache.rglob("*.onnx")
    before = made.stat().st_mtime_ns
    recipe = make_recipe(workload, None)
    assert recipe.model_path == str(made) and made.stat().st_mtime_ns == before
    assert recipe.model_sha256 != make_recipe(make_workload(), None).model_sha256


def test_networks_of_other_shapes_are_other_files(make_workload, cache):
    paths = [
        find_model(make_workload("model.weights=random", f"benchmark.options.height={height}"), None)
        for height in (28, 32, 28)
    ]
    assert paths[0] == paths[2] != paths[1]


def test_a_cache_that_cannot_be_written_is_said(make_workload, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NotReady, match="XDG_CACHE_HOME"):
        find_model(make_workload("model.weights=random"), None)


def test_a_language_model_without_weights_is_a_folder(make_workload, cache):
    workload = make_workload(
        "benchmark=llama3.1-8b", "system=DGX-H100_H100-SXM-80GBx1", "backend=vllm", "model.weights=random"
    )
    folder = find_model(workload, None)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 32
    before = folder.stat().st_mtime_ns
    assert find_model(workload, None) == folder and folder.stat().st_mtime_ns == before


def test_an_unknown_architecture_is_named_with_its_nearest(make_workload, cache):
    workload = make_workload(
        "benchmark=llama3.1-8b",
        "system=DGX-H100_H100-SXM-80GBx1",
        "backend=vllm",
        "model.weights=random",
        "model.architecture=llama3-8b",
    )
    with pytest.raises(ConfigError, match=r"model\.architecture.*llama3\.1-8b"):
        find_model(workload, None)


def test_a_file_where_a_folder_belongs(make_workload, tmp_path):
    (tmp_path / "model").write_text("")
    cell = ("benchmark=llama3.1-8b", "system=DGX-H100_H100-SXM-80GBx1", "backend=vllm")
    with pytest.raises(NotReady, match="the folder of a checkpoint belongs there"):
        find_model(make_workload(*cell, f"model.path={tmp_path}/model"), None)


def test_the_digest_of_a_folder_sees_names_sizes_small_files_and_the_ends_of_large_ones(tmp_path):
    large, small = tmp_path / "weights.safetensors", tmp_path / "config.json"
    small.write_text("{}")
    with large.open("wb") as file:
        file.truncate(40 << 20)
    seen = {model_digest(tmp_path)}
    for change in (
        lambda: small.write_text("[]"),
        lambda: write_at(large, 5),
        lambda: write_at(large, (40 << 20) - 5),
        lambda: large.rename(tmp_path / "other.safetensors"),
    ):
        change()
        digest = model_digest(tmp_path)
        assert digest not in seen
        seen.add(digest)
    write_at(tmp_path / "other.safetensors", 20 << 20)
    assert model_digest(tmp_path) in seen, "its docstring says that the middle is not covered"


def write_at(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"x")
