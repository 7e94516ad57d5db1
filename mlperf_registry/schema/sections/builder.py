"""What turns a model into an engine: batch sizes, number formats, and the switches of NVIDIA's builders.

Most of it changes the engine; a backend's entry in the table of plug-ins says which fields its builder reads.
"""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema import bounds
from mlperf_registry.schema.applicability import MULTISTREAM, NVIDIA, OFFLINE, TENSORRT, TOKENS, TRITON
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.knob import Applies, Range, above, at_least, between, knob
from mlperf_registry.schema.problem import NotReady

Precision = Literal["fp32", "fp16", "bf16", "int8", "fp8", "fp4"]

DLA = Applies(benchmarks=("resnet50", "retinanet", "ssd"), scenarios=(*OFFLINE, *MULTISTREAM), backends=TENSORRT)
"""NVIDIA ran the DLAs of its SoCs beside the GPU for detection and classification, where throughput counts."""

_TENSORRT = Applies(backends=TENSORRT)
_NVIDIA = Applies(backends=NVIDIA)


def batch_field(dla_core: int | None) -> str:
    """Path of the field that holds an engine's batch size, for one that is built for a DLA, or for the GPU (None)."""
    return "builder.gpu_batch_size" if dla_core is None else "builder.dla_batch_size"


def _is_capability(value: float) -> bool:
    # An engine's key and record have it with one digit: two values must not share an engine.
    return 1 <= value <= 99 and float(f"{value:.1f}") == value


@attrs.frozen(kw_only=True)
class Builder:
    """What turns a model into an engine."""

    gpu_batch_size: PerComponent[int] | None = knob(
        "Samples per engine execution; on a CPU backend too, under NVIDIA's name.",
        unit="samples",
        check=between(1, bounds.BATCH),
        scales="size",
        default=None,
    )
    dla_batch_size: PerComponent[int] | None = knob(
        "Samples per execution of the engines built for a DLA.",
        unit="samples",
        check=between(1, bounds.BATCH),
        applies=DLA,
        scales="dla",
        default=None,
    )
    batch_size: int | None = knob(
        "Samples per execution where Triton serves a CPU's or another maker's engine; 0 leaves it to the model.",
        unit="samples",
        check=between(0, bounds.BATCH),
        applies=Applies(harnesses=TRITON, backends=NVIDIA),
        default=None,
    )
    precision: PerComponent[Precision] | None = knob(
        "Lowest number format allowed for weights and activations.", one_for_all=True, default=None
    )
    use_fp8: bool = knob(
        "Let layers run in fp8 where the network allows it.",
        applies=Applies(benchmarks=("bert", "llm"), backends=NVIDIA),
        default=False,
    )
    strongly_typed: bool = knob("Take number formats from the graph alone.", applies=_TENSORRT, default=False)
    input_dtype: Literal["fp32", "fp16", "int8", "uint8", "int32", "int64"] | None = knob(
        "Number format of the engine's input.", applies=_NVIDIA, default=None
    )
    input_format: Literal["linear", "chw4", "chw32", "dhwc8", "cdhw32", "NCHW"] | None = knob(
        "Memory layout of the engine's input; NCHW where OpenVINO takes it.", applies=_NVIDIA, default=None
    )
    workspace_size: int | None = knob(
        "Scratch memory that a GPU builder may use.",
        unit="B",
        check=above(0, bounds.MEMORY),
        applies=_TENSORRT,
        scales="size",
        default=None,
    )
    static_batch: bool = knob(
        "Build for full batches only; by default for every size up to gpu_batch_size.", applies=_TENSORRT, default=False
    )
    optimization_level: int | None = knob(
        "How hard the builder searches: 0 is quickest to build, 5 searches most; absent: the library's default.",
        check=between(0, 5),
        applies=_TENSORRT,
        default=None,
    )
    tactic_sources: tuple[str, ...] = knob(
        "Sources of kernels that the builder may take, by the library's names in lower case, such as "
        "edge_mask_convolutions, jit_convolutions, cudnn; empty: the library's default.",
        applies=_TENSORRT,
        default=(),
    )
    compute_capability: float | None = knob(
        "Build for GPUs of this compute capability, such as 8.6, whether one is here or not; TensorRT for RTX only.",
        check=Range("from 1 to 99, with one digit after the point", _is_capability),
        applies=Applies(backends=("tensorrt_rtx",)),
        default=None,
    )
    version_compatible: bool = knob(
        "Make an engine to take elsewhere, which later versions of the library load too, as far as NVIDIA says which; "
        "here each version builds its own. Full TensorRT only.",
        applies=Applies(backends=("tensorrt",)),
        default=False,
    )
    plugin_libraries: tuple[str, ...] = knob(
        "Shared libraries with layers of your own, absolute paths.", applies=_TENSORRT, default=()
    )
    active_sms: int | None = knob(
        "Share of the GPU's multiprocessors that engines are timed on; it takes CUDA's multi-process service (MPS).",
        unit="%",
        check=between(1, 100),
        applies=_TENSORRT,
        default=None,
    )
    dla_core: int | None = knob(
        "Index of the DLA that the engine is built for.", check=at_least(0), applies=DLA, scales="dla", default=None
    )
    energy_aware_kernels: bool = knob(
        "NVIDIA's switch to prefer kernels that use less energy; no effect here, where the library chooses.",
        applies=Applies(benchmarks=("bert", "resnet50", "retinanet"), backends=TENSORRT),
        default=False,
    )
    disable_beta1_smallk: bool = knob(
        "Leave out NVIDIA's plug-in for 1x1 convolutions that add a shortcut (beta 1): TensorRT's own may be faster.",
        applies=Applies(benchmarks=("resnet50", "retinanet"), backends=TENSORRT),
        default=False,
    )
    use_small_tile_gemm_plugin: bool = knob(
        "NVIDIA's switch to multiply matrices with its plug-in for small tiles; no effect here, where it is not used.",
        applies=Applies(benchmarks=("bert", "dlrm"), backends=TENSORRT),
        default=False,
    )
    gemm_plugin_fairshare_cache_size: int | None = knob(
        "Entries of the small-tile plug-in's cache that streams share; no effect here, where it is not used.",
        unit="entries",
        check=at_least(0),
        applies=Applies(benchmarks=("bert", "dlrm"), backends=TENSORRT),
        default=None,
    )
    max_num_tokens: int | None = knob(
        "Most tokens that the engine takes in one step, as rounds up to v4.1 say it.",
        unit="tokens",
        check=at_least(1),
        applies=Applies(benchmarks=TOKENS, backends=("tensorrt_llm",)),
        scales="size",
        default=None,
    )
    skip_graphsurgeon: bool = knob(
        "Build int8 engines of TensorRT's own layers alone, with no part of the network replaced by NVIDIA's plug-ins.",
        applies=_TENSORRT,
        default=False,
    )
    verbose_nvtx: bool = knob(
        "NVIDIA's switch for layers' details in the engine; no effect here, where engines always have them.",
        applies=_TENSORRT,
        default=False,
    )
    force_build_engines: bool = knob("Build even where the cache has the engine.", default=False)
    force_calibration: bool = knob("Calibrate even where a calibration cache exists.", applies=_NVIDIA, default=False)
    cache_file: str | None = knob(
        "INT8 calibration cache, in the scratch space or the model's folder.", applies=_NVIDIA, default=None
    )
    calib_batch_size: int | None = knob(
        "Samples per execution while calibrating.", unit="samples", check=at_least(1), applies=_NVIDIA, default=None
    )
    calib_max_batches: int | None = knob(
        "Batches to calibrate with.", unit="batches", check=at_least(1), applies=_NVIDIA, default=None
    )
    calib_data_dir: str | None = knob("Folder of the calibration set.", applies=_NVIDIA, default=None)
    calib_data_map: str | None = knob("List of the samples of the calibration set.", applies=_NVIDIA, default=None)

    def samples_at_once(self, component: str) -> int:
        """The batch size of one of the benchmark's engines.

        Raises:
            NotReady: when nothing sets it, as for a cell that nobody has tuned.
        """
        sizes = self.gpu_batch_size if self.dla_core is None else self.dla_batch_size
        size = None if sizes is None else sizes.get(component)
        if size is None:
            raise NotReady(f"Nothing sets the batch size of {component}: give {self.batch_field}.{component}=N.")
        return size

    @property
    def batch_field(self) -> str:
        """Path of the field that holds the batch sizes: engines built for a DLA have their own."""
        return batch_field(self.dla_core)
