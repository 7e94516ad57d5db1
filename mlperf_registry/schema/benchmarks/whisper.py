"""Options of speech recognition by Whisper: an engine for the encoder, one for the decoder."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.sections.llm import BuildFlags


@attrs.frozen(kw_only=True)
class WhisperOptions:
    """``benchmark.options`` of the family ``whisper``."""

    whisper_encoder_build_flags: BuildFlags = knob("Flags of trtllm-build for the encoder.", default=BuildFlags())
    whisper_decoder_build_flags: BuildFlags = knob("Flags of trtllm-build for the decoder.", default=BuildFlags())
