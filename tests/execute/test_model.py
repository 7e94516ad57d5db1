"""Random networks: made once, found again, and never in the place of a trained one."""

from __future__ import annotations

import pytest

from mlperf_registry.execute.job import require_ready
from mlperf_registry.execute.model import find_model
from mlperf_registry.execute.recipe import make_recipe
from mlperf_registry.schema.problem import NotReady


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
