"""Options of recommendation by DLRM, its second and third version: tables on the GPU, and the making of batches."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import at_least, between, knob, matches
from mlperf_registry.schema.sections.builder import Precision


@attrs.frozen(kw_only=True)
class DlrmOptions:
    """``benchmark.options`` of the family ``dlrm``."""

    embedding_weights_on_gpu_part: float | None = knob(
        "Share of the embedding tables in GPU memory; the rest stays on the host.",
        check=between(0, 1),
        scales="size",
        default=None,
    )
    enable_interleaved_top_mlp: bool = knob("Use the interleaved layout in the top MLP.", default=False)
    output_padding_granularity: int | None = knob(
        "The interaction's output is padded to a multiple of this.", unit="elements", check=at_least(1), default=None
    )
    embeddings_precision: Precision | None = knob("Number format of the embedding tables.", default=None)
    bot_mlp_precision: Precision | None = knob("Number format of the bottom MLP.", default=None)
    interaction_op_precision: Precision | None = knob("Number format of the interaction of features.", default=None)
    top_mlp_precision: Precision | None = knob("Number format of the top MLP.", default=None)
    final_linear_precision: Precision | None = knob("Number format of the last layer.", default=None)
    gpu_num_bundles: int | None = knob(
        "Sets of buffers and events per GPU.", unit="bundles", check=at_least(1), default=None
    )
    check_contiguity: bool = knob("Skip copying where a batch lies in one piece already.", default=False)
    max_pairs_per_staging_thread: int | None = knob(
        "Most user-item pairs that one staging thread copies.", unit="pairs", check=at_least(1), default=None
    )
    num_staging_threads: int | None = knob(
        "Threads that copy samples into batches.", unit="threads", check=at_least(1), default=None
    )
    num_staging_batches: int | None = knob(
        "Batches being filled at a time.", unit="batches", check=at_least(1), default=None
    )
    sample_partition_path: str | None = knob("File with the number of pairs in each sample.", default=None)
    embeddings_path: str | None = knob("Folder of the embedding tables.", default=None)
    qsl_numa_override: str | None = knob(
        "GPUs that each sample library serves, as GPUs&GPUs; absent: by runtime.numa_config.",
        check=matches(r"[\d,-]+(&[\d,-]+)*", "0-3&4-7"),
        scales="never",
        default=None,
    )
