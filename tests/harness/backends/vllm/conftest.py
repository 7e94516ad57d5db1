"""The stand-in for vLLM, importable; what a core reports, collected."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Shared with the tests of other backends.
sys.path.append(str(Path(__file__).parents[1] / "shared"))

from collected import Collected

STANDIN = Path(__file__).parent / "standin"


@pytest.fixture
def vllm(monkeypatch):
    """Vllm's stand-in, in place of whatever is installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(STANDIN))
    import vllm

    assert Path(vllm.__file__).is_relative_to(STANDIN)
    yield vllm
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]


@pytest.fixture
def collected():
    return Collected()
