"""Options of medical segmentation by 3D-UNet: the window that slides over a volume, and how its results are joined."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import knob


@attrs.frozen(kw_only=True)
class UNet3dOptions:
    """``benchmark.options`` of the family ``unet3d``."""

    slice_overlap_patch_kernel_cg_impl: bool = knob(
        "Join overlapping windows with the kernel for cooperative groups.", default=False
    )
    unet3d_sw_gaussian_patch_path: str | None = knob(
        "File of the Gaussian weights that windows are joined with.", default=None
    )
