"""What Hydra sees of ``mlperf://roots``: generated layers, tuned values and other roots' files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError
from omegaconf import OmegaConf

from mlperf_registry.compose.library import Library
from mlperf_registry.compose.source import RegistrySource, serving

OPTION = "tuned/v4.1/L4x1/resnet50/offline/k_99+native+maxp+tensorrt"


@pytest.fixture
def source() -> RegistrySource:
    return RegistrySource("test", "mlperf://roots")


def test_generated_layers_are_null_and_at_the_top(library: Library, source: RegistrySource) -> None:
    with serving(library):
        fields = source.load_config("fields")
        options = source.load_config("benchmark_fields/resnet50.yaml")
    assert fields.header == options.header == {"package": "_global_"}
    assert fields.config.loadgen.offline_expected_qps is None
    assert fields.config.benchmark.options is None
    assert OmegaConf.to_container(options.config.benchmark.options)["height"] is None  # type: ignore[index,call-overload]


def test_a_published_variant_is_an_option_with_shared_values(library: Library, source: RegistrySource) -> None:
    with serving(library):
        assert source.is_config(OPTION)
        assert not source.is_config(OPTION.replace("maxp", "maxq"))
        config = source.load_config(OPTION).config
    assert config.loadgen.offline_expected_qps == 13000
    assert config.builder.precision == "int8"


def test_options_are_listed_for_completion(small_gpu_only: Library, source: RegistrySource) -> None:
    with serving(small_gpu_only):
        assert "fields" in source.list("", ObjectType.CONFIG)
        assert {"system", "tuned", "benchmark_fields"} <= set(source.list("", ObjectType.GROUP))
        assert "cpu_box" in source.list("system", None)
        assert {"DGX-H100_H100-SXM-80GBx8", "L4x1"} <= set(source.list("tuned/v4.1", ObjectType.GROUP))
        assert source.list("tuned/v4.1/L4x1/resnet50/offline", None) == ["k_99+native+maxp+tensorrt"]
        assert source.is_group("tuned/v4.1/L4x1")
        assert not source.is_group("loadgen.offline_expected_qps")


def test_what_is_not_there_is_hydras_own_error(library: Library, source: RegistrySource) -> None:
    with serving(library), pytest.raises(ConfigLoadError):
        source.load_config("system/nowhere")


def test_a_process_that_registered_nothing_serves_this_installation(checkout: Path) -> None:
    code = """
from mlperf_registry.compose.source import RegistrySource
source = RegistrySource("worker", "mlperf://roots")
print(source.is_config("fields"), source.list("backend_fields", None))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("True ['onnxruntime', 'openai_endpoint', 'openvino', 'tensorrt'")
