"""Options of the backend tensorrt_edgellm: how a checkpoint is quantised on its way to an engine, and how it runs."""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import at_least, knob

Quantization = Literal["int4_awq", "fp8", "nvfp4", "mxfp8", "int8_sq"]


@attrs.frozen(kw_only=True)
class EdgeLlmOptions:
    """``backend.options`` of ``tensorrt_edgellm``. The longest input, context and batch are llm.trtllm_build_flags'."""

    quantization: Quantization | None = knob(
        "How a checkpoint that is not quantised yet is: int4_awq is W4A16, weights of 4 bits and activations of 16. "
        "Absent: it stays as it is. A quantised checkpoint, an ONNX folder and an engine are taken as they are.",
        default="int4_awq",
    )
    lm_head_quantization: Literal["fp8", "int4_awq", "nvfp4", "mxfp8"] | None = knob(
        "The same for the last layer, which turns states into tokens; absent: fp16.", default=None
    )
    calibration_path: str | None = knob(
        "JSON file whose rows have an article each, to quantise with, absolute; absent: CNN/DailyMail's training set, "
        "which the quantiser downloads.",
        default=None,
    )
    calibration_samples: int = knob("Articles to quantise with.", unit="samples", check=at_least(1), default=512)
    fp8_embedding: bool = knob("Keep the table of token embeddings in fp8.", default=False)
    cuda_graphs: bool = knob("Replay decoding steps from CUDA graphs.", default=True)
