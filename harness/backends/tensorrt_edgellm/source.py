"""What ``model.path`` holds: a checkpoint, a network exported to ONNX, or an engine that is built already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import attrs

from mlperf_registry.schema.problem import ConfigError, Problem

ENGINE = "llm.engine"
"""The engine's file in its folder, which Edge-LLM's builder and runtime agree on."""
NETWORK = "model.onnx"
"""The exported network's."""
CONFIG = "config.json"
_EXPORTED = "llm"
"""Where the exporter puts the network of a language model, below the folder that it is given."""
_QUANTISER_RECORD = "hf_quant_config.json"


@attrs.frozen
class Source:
    """A folder to make an engine from."""

    kind: Literal["checkpoint", "onnx", "engine"]
    path: Path
    quantised: bool = False
    """Whether a checkpoint's weights are quantised already."""


def find_source(folder: Path) -> Source:
    """What lies in a folder, by the files in it.

    Raises:
        ConfigError: when it is none of the three.
    """
    for path in (folder, folder / _EXPORTED):
        if (path / CONFIG).is_file():
            if (path / ENGINE).is_file():
                return Source("engine", path)
            if (path / NETWORK).is_file():
                return Source("onnx", path)
    if (folder / CONFIG).is_file() and any(folder.glob("*.safetensors")):
        quantised = (folder / _QUANTISER_RECORD).is_file() or "quantization_config" in read_config(folder)
        return Source("checkpoint", folder, quantised)
    message = (
        f"is {folder}, which holds neither a checkpoint ({CONFIG}, *.safetensors), nor an ONNX network of "
        f"tensorrt-edgellm-export ({CONFIG}, {NETWORK}), nor an engine ({CONFIG}, {ENGINE})"
    )
    raise ConfigError([Problem("model.path", message, hint="docs/thor.md says how each is made")])


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder.

    Raises:
        ConfigError: when it cannot be read.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([Problem("model.path", f"{path} cannot be read: {error}")]) from error
    if not isinstance(config, dict):
        raise ConfigError([Problem("model.path", f"{path} holds no object")])
    return config
