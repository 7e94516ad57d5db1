"""The stand-in for vLLM, importable."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def vllm(standin):
    """vLLM's stand-in."""
    return standin("vllm", Path(__file__).parent / "standin")
