"""The stand-in for TensorRT-LLM, importable."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def tensorrt_llm(standin):
    """TensorRT-LLM's stand-in."""
    return standin("tensorrt_llm", Path(__file__).parent / "standin")
