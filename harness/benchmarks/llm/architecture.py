"""Checkpoints without weights: config.json of public architectures, for ``model.weights=random``.

An engine library makes random weights of such a folder by itself. Speed hardly depends on what the weights are, as long
as the architecture, the number formats and the lengths are right.
"""

from __future__ import annotations

import json
from typing import Any

from mlperf_registry.schema.nearest import nearest
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.sections import Model


def random_checkpoint(model: Model, options: object) -> dict[str, bytes]:
    """The files of a checkpoint's folder for ``model.architecture``, by name; there are no weights among them.

    Raises:
        ConfigError: when no architecture of that name is known here.
    """
    if model.architecture is None:
        message = "is not set, and random weights need to know what they are of"
        raise ConfigError([Problem("model.architecture", message, hint=f"one of {', '.join(ARCHITECTURES)}")])
    found = ARCHITECTURES.get(model.architecture)
    if found is None:
        message = f"{model.architecture!r} is no architecture that is known here: {', '.join(ARCHITECTURES)}"
        raise ConfigError([Problem("model.architecture", message, hint=nearest(model.architecture, ARCHITECTURES))])
    return {"config.json": (json.dumps(found, indent=2) + "\n").encode()}


def _llama(**values: Any) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "mlp_bias": False,
        "num_key_value_heads": 8,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        **values,
    }


def _llama_3_1(**values: Any) -> dict[str, Any]:
    return _llama(
        vocab_size=128256,
        bos_token_id=128000,
        eos_token_id=[128001, 128008, 128009],
        max_position_embeddings=131072,
        rope_theta=500000.0,
        rope_scaling={
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        **values,
    )


ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama3.1-8b": _llama_3_1(
        hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, head_dim=128
    ),
    "llama3.1-405b": _llama_3_1(
        hidden_size=16384, intermediate_size=53248, num_hidden_layers=126, num_attention_heads=128, head_dim=128
    ),
    "llama2-70b": _llama(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        vocab_size=32000,
        bos_token_id=1,
        eos_token_id=2,
        max_position_embeddings=4096,
        rope_theta=10000.0,
    ),
    "mixtral-8x7b": {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 4096,
        "initializer_range": 0.02,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "num_attention_heads": 32,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": 32000,
    },
}
"""Name to config.json, as the models' publishers give it."""
