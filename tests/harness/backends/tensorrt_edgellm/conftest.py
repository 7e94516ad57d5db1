"""A checkpoint as the exporter takes it, and the stand-in for the package, whose runtime needs an NVIDIA GPU."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

STANDIN = Path(__file__).resolve().parent / "standin"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The simulated native module; child processes import it too."""
    monkeypatch.syspath_prepend(str(STANDIN))
    from tensorrt_edgellm import simulated

    simulated.RequestEngine.made.clear()
    yield simulated
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorrt_edgellm"]:
        del sys.modules[name]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that is not quantised."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": [1, 2]}))
    (folder / "model.safetensors").write_bytes(b"weights")
    special = {"id": 0, "content": "<s>", "special": True}
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [special]}))
    return folder
