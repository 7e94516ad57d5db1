"""Calibration caches and GPUs in engine keys: which is taken, when one is made, and what the key says of both."""

from __future__ import annotations

import attrs
import pytest

from mlperf_registry import plugins
from mlperf_registry.execute import device
from mlperf_registry.execute.calibration import ensure_cache, find_cache, make_cache
from mlperf_registry.execute.device import device_of
from mlperf_registry.execute.progress import Silent
from mlperf_registry.execute.recipe import expanded_key, make_recipe
from mlperf_registry.schema.machine import Accelerator
from mlperf_registry.schema.problem import ConfigError, NotReady

RTX = ("backend=tensorrt_rtx", "builder.compute_capability=8.6", "builder.gpu_batch_size=8")


@pytest.fixture
def int8(make_workload, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return make_workload(*RTX, "builder.precision=int8")


def test_the_mini_ships_with_its_cache(int8):
    assert find_cache(int8, None).name == "model.calibration"


def test_only_int8_engines_of_some_backends_have_one(make_workload):
    assert find_cache(make_workload(*RTX, "builder.precision=fp16"), None) is None
    with pytest.raises(ConfigError, match="need no calibration cache"):
        make_cache(make_workload(), None, Silent())


def test_a_cache_that_is_made_is_taken_from_then_on(int8, tmp_path):
    forced = attrs.evolve(int8, builder=attrs.evolve(int8.builder, force_calibration=True, calib_max_batches=2))
    ensure_cache(forced, None, Silent())
    made = find_cache(int8, None)
    assert made.is_relative_to(tmp_path) and made.read_text().startswith("TRT-")
    scratch = tmp_path / "scratch"
    named = attrs.evolve(forced, builder=attrs.evolve(forced.builder, cache_file="caches/mine"))
    assert find_cache(named, scratch) is None
    ensure_cache(named, scratch, Silent())
    assert find_cache(named, scratch) == scratch / "caches/mine"


def test_another_cache_is_another_engine(int8, make_workload, monkeypatch, tmp_path):
    monkeypatch.setattr(plugins, "require", lambda plugin: None)
    monkeypatch.setattr("mlperf_registry.execute.recipe.library_version", lambda plugin: "tensorrt_rtx 1.0")
    keys = []
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        other = attrs.evolve(int8, builder=attrs.evolve(int8.builder, cache_file=str(tmp_path / name)))
        keys.append(expanded_key(make_recipe(other, tmp_path)))
    assert keys[0] != keys[1] and keys[0]["device"] == "compute capability 8.6"
    assert {path for path in keys[0] if keys[0][path] != keys[1][path]} == {"calibration_sha256"}


def gpu(index: int, name: str = "NVIDIA H100", **changes) -> Accelerator:
    return Accelerator(**{"index": index, "name": name, "compute_sm": 90, **changes})


@pytest.mark.parametrize(
    ("gpus", "indices", "expected"),
    [
        ((gpu(0), gpu(1)), (), "NVIDIA H100, compute capability 9.0"),
        ((gpu(0, "NVIDIA T4", compute_sm=75), gpu(1)), (1,), "NVIDIA H100, compute capability 9.0"),
        ((gpu(0, mig_profile="1g.10gb"),), (), "NVIDIA H100, compute capability 9.0, MIG 1g.10gb"),
    ],
)
def test_the_device_of_a_gpu_engine(make_workload, monkeypatch, gpus, indices, expected):
    workload = make_workload("backend=tensorrt", "builder.gpu_batch_size=8")
    workload = attrs.evolve(workload, runtime=attrs.evolve(workload.runtime, gpu_indices=indices))
    monkeypatch.setattr(device, "_gpus", lambda: (gpus, []))
    assert device_of(workload) == expected


def test_gpus_that_differ_or_are_absent(make_workload, monkeypatch):
    workload = make_workload("backend=tensorrt", "builder.gpu_batch_size=8")
    unlike = (gpu(0), gpu(1, "NVIDIA T4", compute_sm=75))
    monkeypatch.setattr(device, "_gpus", lambda: (unlike, []))
    with pytest.raises(ConfigError, match="GPUs that differ"):
        device_of(workload)
    monkeypatch.setattr(device, "_gpus", lambda: ((), ["No driver."]))
    with pytest.raises(NotReady, match="none shows itself"):
        device_of(workload)


def test_nobody_waits_for_a_calibration_without_the_gpu_that_it_is_for(make_workload, monkeypatch):
    workload = make_workload("backend=tensorrt", "builder.gpu_batch_size=8", "builder.precision=int8")
    workload = attrs.evolve(workload, builder=attrs.evolve(workload.builder, force_calibration=True))
    monkeypatch.setattr(device, "_gpus", lambda: ((), ["No driver."]))
    with pytest.raises(NotReady, match="none shows itself"):
        ensure_cache(workload, None, Silent())


def test_the_machine_is_looked_at_once_for_a_recipe(make_workload, monkeypatch):
    monkeypatch.setattr(plugins, "require", lambda plugin: None)
    monkeypatch.setattr("mlperf_registry.execute.recipe.library_version", lambda plugin: "tensorrt 8.6.0")
    looks = []
    monkeypatch.setattr(device, "_gpus", lambda: looks.append(1) or ((gpu(0),), []))
    workload = make_workload("backend=tensorrt", "builder.gpu_batch_size=8", "builder.precision=int8")
    ensure_cache(workload, None, Silent())
    assert make_recipe(workload, None).device == "NVIDIA H100, compute capability 9.0"
    assert len(looks) == 1
