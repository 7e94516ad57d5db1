"""Versions of what a result rests on: driver, CUDA, cuDNN, TensorRT, operating system."""

from __future__ import annotations

import json
import re

from mlperf_registry.detect.host import Host
from mlperf_registry.schema.components import FrozenMap

_DISTRIBUTIONS = {
    "cuda": ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12"),
    "cudnn": ("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"),
    "tensorrt": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    "tensorrt_rtx": ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
    "tensorrt_llm": ("tensorrt-llm",),
    "vllm": ("vllm",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
}
"""Python distributions that bring a library, the likelier first."""

_TENSORRT_HEADER = "/usr/include/{architecture}-linux-gnu/NvInferVersion.h"
_TENSORRT_PART = r"#define\s+(?:NV_TENSORRT|TRT)_{part}(?:_ENTERPRISE)?\s+(\d+)"
_L4T = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")


def read_versions(host: Host) -> FrozenMap[str]:
    """Version by name, of what is there.

    driver; cuda_driver: the newest CUDA that the driver runs; cuda: the CUDA that is installed, else that one; cudnn;
    tensorrt; tensorrt_rtx; tensorrt_llm; vllm; onnxruntime; os; l4t: NVIDIA's Linux for Jetson; kernel.
    """
    facts = host.nvml()
    driver, cuda_driver = (None, None) if isinstance(facts, str) else (facts.driver, facts.cuda)
    found = {
        "driver": driver,
        "cuda_driver": cuda_driver,
        "cuda": _cuda_toolkit(host) or _installed(host, "cuda") or cuda_driver,
        "cudnn": _installed(host, "cudnn"),
        "tensorrt": _installed(host, "tensorrt") or _tensorrt_header(host),
        **{name: _installed(host, name) for name in ("tensorrt_rtx", "tensorrt_llm", "vllm", "onnxruntime")},
        "os": _os(host),
        "l4t": _l4t(host),
        "kernel": host.kernel,
    }
    return FrozenMap({name: version for name, version in found.items() if version})


def _installed(host: Host, library: str) -> str | None:
    return next(filter(None, map(host.version, _DISTRIBUTIONS[library])), None)


def _cuda_toolkit(host: Host) -> str | None:
    try:
        return str(json.loads(host.text("/usr/local/cuda/version.json") or "")["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return None


def _tensorrt_header(host: Host) -> str | None:
    text = host.text(_TENSORRT_HEADER.format(architecture=host.architecture)) or ""
    found = [re.search(_TENSORRT_PART.format(part=part), text) for part in ("MAJOR", "MINOR", "PATCH")]
    return ".".join(part[1] for part in found if part) if all(found) else None


def _os(host: Host) -> str | None:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', host.text("/etc/os-release") or "", re.MULTILINE)
    return found[1] if found else None


def _l4t(host: Host) -> str | None:
    found = _L4T.match(host.text("/etc/nv_tegra_release") or "")
    return f"{found[1]}.{found[2]}" if found else None
