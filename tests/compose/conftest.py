"""Libraries that the tests of composing share: the checkout's own, and small ones written for one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlperf_registry.compose.library import Library, Roots

SMALL_CONFIG = """
defaults:
  - _self_
  - kind: a
  - optional extra: ${kind}
  - top: null
hydra: {searchpath: [mlperf://roots]}
size: 1
name: x
"""


@pytest.fixture(scope="session")
def library(checkout: Path) -> Library:
    """What ships with the package."""
    return Library(Roots(checkout / "conf"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Writes files below a temporary folder, by relative path, and returns the folder."""

    def make(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def small(write: Callable[[Mapping[str, str]], Path]) -> Callable[..., Library]:
    """A library of a conf with three groups, plus the files given."""

    def make(**files: str) -> Library:
        named = {f"conf/{name.replace('__', '/')}.yaml": text for name, text in files.items()}
        base = {
            "conf/config.yaml": SMALL_CONFIG,
            "conf/kind/a.yaml": "# @package _global_\nsize: 2\nbox: {x: 1, y: null}\n",
            "conf/kind/b.yaml": "# @package _global_\nsize: 3\nbox: {x: null, z: '${size}'}\n",
            "conf/extra/b.yaml": "# @package _global_\nname: y-${size}\n",
            "conf/top/t.yaml": "inside: 5\n",
        }
        return Library(Roots(write({**base, **named}) / "conf"))

    return make


@pytest.fixture
def small_gpu_only(checkout: Path, tmp_path: Path) -> Library:
    """The checkout's library with a benchmark for GPUs only, from a plug-in, and a user's system without one."""
    text = (checkout / "conf" / "benchmark" / "resnet50.yaml").read_text(encoding="utf-8")
    text = text.replace("id: resnet50\n", "id: gpu_only\n").replace(
        "backends: [tensorrt, tensorrt_rtx, onnxruntime]", "backends: [tensorrt]"
    )
    plugin = tmp_path / "package" / "conf"
    (plugin / "benchmark").mkdir(parents=True)
    (plugin / "benchmark" / "gpu_only.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "cpu_box.yaml").write_text(
        "# @package _global_\nsystem: {id: cpu_box, devices: [cpu]}\nruntime: {gpu_copy_streams: 7}\n", encoding="utf-8"
    )
    return Library(Roots(checkout / "conf", (plugin,), (tmp_path / "systems",)))
