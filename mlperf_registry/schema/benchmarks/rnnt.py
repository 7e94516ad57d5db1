"""Options of speech recognition by RNN-T: DALI's preparation of the audio, and the pipelined decoder."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import at_least, knob


@attrs.frozen(kw_only=True)
class RnntOptions:
    """``benchmark.options`` of the family ``rnnt``."""

    audio_batch_size: int | None = knob(
        "Batch size of the audio's preparation.", unit="samples", check=at_least(1), scales="size", default=None
    )
    audio_buffer_num_lines: int | None = knob(
        "Samples under preparation at a time.", unit="samples", check=at_least(1), scales="size", default=None
    )
    audio_fp16_input: bool = knob("Raw audio comes in fp16.", default=False)
    dali_batches_issue_ahead: int | None = knob(
        "Batches copied ahead of DALI's computing.", unit="batches", check=at_least(0), default=None
    )
    dali_pipeline_depth: int | None = knob("Depth of DALI's pipeline.", unit="stages", check=at_least(1), default=None)
    max_seq_length: int | None = knob("Longest sequence of audio.", unit="frames", check=at_least(1), default=None)
    disable_encoder_plugin: bool = knob("Build the encoder from TensorRT's own layers.", default=False)
    pipelined_execution: bool | None = knob("Overlap encoder and decoder; absent: the harness's choice.", default=None)
    nopipelined_execution: bool | None = knob("Negation of pipelined_execution, under its own name.", default=None)
    nobatch_sorting: bool = knob("Leave batches unsorted by length.", default=False)
    nouse_copy_kernel: bool = knob("Copy with cudaMemcpyAsync instead of DALI's kernel.", default=False)
    num_warmups: int | None = knob(
        "Samples for warm-up; -1: two full batches per stream, 0: none.",
        unit="samples",
        check=at_least(-1),
        default=None,
    )
