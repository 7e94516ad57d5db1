"""What a checkpoint's folder says of itself: how it is quantised, and which tokens end an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.llm.gguf import Gguf
from mlperf_registry.schema.problem import NotReady

CONFIG, QUANTIZATION, GENERATION = "config.json", "hf_quant_config.json", "generation_config.json"


_GGUF_ENDS = tuple(f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom"))


def quantized_as(checkpoint: Path) -> str | None:
    """How a checkpoint was quantised, in its own words; None where it was not.

    Raises:
        NotReady: when the folder has no config.json that can be read.
    """
    said = config_of(checkpoint).get("quantization_config")
    if isinstance(said, dict):
        return str(said.get("quant_algo") or said.get("quant_method") or "quantised")
    path = checkpoint / QUANTIZATION
    return str(_read(path).get("quantization", {}).get("quant_algo", "quantised")) if path.is_file() else None


def end_tokens(checkpoint: Path) -> tuple[int, ...]:
    """Ids of the tokens that end an answer of this model: its generation's, or else its own; a GGUF file's too.

    Raises:
        NotReady: as ``quantized_as``, and as ``Gguf.read``.
    """
    if checkpoint.suffix == ".gguf":
        metadata = Gguf.read(checkpoint).metadata
        return tuple(dict.fromkeys(metadata[key] for key in _GGUF_ENDS if key in metadata))
    path = checkpoint / GENERATION
    said = _read(path).get("eos_token_id") if path.is_file() else None
    if said is None:
        said = config_of(checkpoint).get("eos_token_id")
    return tuple(said) if isinstance(said, list) else () if said is None else (int(said),)


def config_of(checkpoint: Path) -> dict[str, Any]:
    """Content of its config.json. Raises as ``quantized_as``."""
    return _read(checkpoint / CONFIG)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReady(
            f"{path.parent} is no checkpoint of a language model: {path.name} cannot be read ({error}). model.path is "
            "the folder that holds config.json and the weights."
        ) from error
    return found
