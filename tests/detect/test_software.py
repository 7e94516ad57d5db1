from __future__ import annotations

import pytest

from mlperf_registry.detect.software import read_versions

HEADER = "/usr/include/x86_64-linux-gnu/NvInferVersion.h"


@pytest.mark.parametrize(
    ("parts", "name", "version"),
    [
        ({"distributions": {"tensorrt-cu13": "10.13.0"}}, "tensorrt", "10.13.0"),
        ({"distributions": {"tensorrt-rtx-cu13": "1.1.0"}}, "tensorrt_rtx", "1.1.0"),
        ({"distributions": {"nvidia-cuda-runtime": "13.0.48"}}, "cuda", "13.0.48"),
        ({"files": {HEADER: "#define TRT_MAJOR_ENTERPRISE 10\n#define TRT_MINOR_ENTERPRISE 13\n"
                            "#define TRT_PATCH_ENTERPRISE 2\n"}}, "tensorrt", "10.13.2"),
        ({"files": {HEADER: "#define NV_TENSORRT_MAJOR 8\n"}}, "tensorrt", None),
        ({"files": {"/usr/local/cuda/version.json": '{"cuda": {"version": "12.4.1"}}'}}, "cuda", "12.4.1"),
        ({"files": {"/usr/local/cuda/version.json": "[]"}}, "cuda", None),
        ({"files": {"/usr/local/cuda/version.json": "{"}}, "cuda", None),
        ({"files": {"/etc/os-release": "ID=arch\nPRETTY_NAME=Arch\n"}}, "os", "Arch"),
        ({"nvml": {"driver": "550.54", "cuda": "12.4"}}, "driver", "550.54"),
        ({"nvml": {"driver": "550.54", "cuda": "12.4"}}, "cuda", "12.4"),
        ({"kernel": "Linux 6.8"}, "kernel", "Linux 6.8"),
    ],
)  # fmt: skip
def test_versions_are_of_what_is_there(make_host, parts, name, version):
    assert read_versions(make_host(**parts)).get(name) == version
