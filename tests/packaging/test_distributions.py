"""What is in the wheel and the sdist, and what is not."""

from __future__ import annotations

import tarfile
import zipfile
from email import message_from_bytes

import pytest


@pytest.fixture(scope="module")
def in_wheel(distributions):
    with zipfile.ZipFile(distributions.wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_has_every_option_file_of_the_checkout(checkout, in_wheel):
    ours = {f"mlperf_registry/{path.relative_to(checkout)}" for path in (checkout / "conf").rglob("*.yaml")}
    assert "mlperf_registry/conf/config.yaml" in ours
    assert ours <= in_wheel.keys()


def test_the_wheel_has_what_code_reads(in_wheel):
    mini = "harness/benchmarks/resnet50/mini"
    wanted = {
        "mlperf_registry/rules/rounds/v6.1.yaml",
        "mlperf_registry/rules/rounds/v5.1.yaml",
        "mlperf_registry/report/page.css",
        "mlperf_registry/report/page.js",
        "mlperf_registry/py.typed",
        f"{mini}/model.onnx",
        f"{mini}/t10k-images-idx3-ubyte.gz",
        f"{mini}/t10k-labels-idx1-ubyte.gz",
    }
    assert wanted <= in_wheel.keys()


def test_the_wheel_has_nothing_else(in_wheel):
    folders = {name.partition("/")[0] for name in in_wheel}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"mlperf_registry", "harness"}
    assert not [name for name in in_wheel if name.endswith((".pyc", ".log")) or "/tests/" in name]


def test_the_wheel_is_small_enough_to_try(distributions):
    assert distributions.wheel.stat().st_size < 10_000_000


def test_the_metadata_says_licence_and_command(in_wheel):
    (info,) = {name.partition("/")[0] for name in in_wheel if ".dist-info/" in name}
    metadata = message_from_bytes(in_wheel[f"{info}/METADATA"])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert b"Apache License" in in_wheel[f"{info}/licenses/LICENSE"]
    assert b"mlperf = mlperf_registry.cli.main:main" in in_wheel[f"{info}/entry_points.txt"]


def test_the_sdist_can_be_tested(distributions):
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "LICENSE", "README.md", "conf/config.yaml", "tests/conftest.py"} <= names
