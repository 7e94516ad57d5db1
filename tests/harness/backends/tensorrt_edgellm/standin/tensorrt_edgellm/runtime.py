"""The facade of the native runtime, as the wheel has it."""

from __future__ import annotations

from types import ModuleType


class NativeRuntimeError(RuntimeError):
    """No build of the wheel fits this machine."""


def load() -> ModuleType:
    """The native module."""
    from tensorrt_edgellm import simulated

    if simulated.UNFIT:
        raise NativeRuntimeError("Expected one exact TensorRT Edge-LLM native payload, found 0.")
    return simulated
