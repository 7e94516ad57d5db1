"""The seam to TensorRT Edge-LLM's native runtime: importing it, with what its loader finds wrong as one sentence.

The wheel holds one build for each pair of platform and TensorRT, and takes the one that fits exactly or none.
"""

from __future__ import annotations

from typing import Any

from mlperf_registry.schema.problem import NotReady


def load_runtime() -> Any:
    """The module with LLMBuilder and RequestEngine.

    Raises:
        NotReady: when the package is absent, or has no build for this machine.
    """
    try:
        from tensorrt_edgellm import runtime
    except ImportError as error:
        raise NotReady(
            f"TensorRT Edge-LLM does not import: {error}. pip install 'mlperf-registry[edgellm]', and on a Jetson the "
            "TensorRT of JetPack."
        ) from error
    try:
        return runtime.load()
    except runtime.NativeRuntimeError as error:
        raise NotReady(
            f"TensorRT Edge-LLM has no runtime for this machine: {error} It runs on Jetson Orin and Thor, DRIVE Thor, "
            "IGX Thor, DGX Spark and some x86 GPUs."
        ) from error
