"""The stand-in for TensorRT-LLM, importable; what a core reports, collected."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Shared with the tests of other backends.
sys.path.append(str(Path(__file__).parents[1] / "shared"))

from collected import Collected

STANDIN = Path(__file__).parent / "standin"


@pytest.fixture
def tensorrt_llm(monkeypatch):
    """TensorRT-LLM's stand-in, in place of whatever is installed; processes that are started have it too."""
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STANDIN), *sys.path, before]))
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorrt_llm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(STANDIN))
    import tensorrt_llm

    assert Path(tensorrt_llm.__file__).is_relative_to(STANDIN)
    yield tensorrt_llm
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorrt_llm"]:
        del sys.modules[name]


@pytest.fixture
def collected():
    return Collected()
