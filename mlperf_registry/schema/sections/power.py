"""Power management of the system under test: limits and clocks of a run for efficiency.

NVIDIA's names and units; kilohertz for a CPU's clock and hertz for the rest are judged from published values.
"""

from __future__ import annotations

from functools import partial

import attrs

from mlperf_registry.schema.applicability import GPU
from mlperf_registry.schema.knob import Applies, above, at_least, knob

_field = partial(knob, applies=Applies(backends=GPU), scales="never")


@attrs.frozen(kw_only=True)
class Power:
    """Power management of the system under test."""

    power_limit: float | None = _field(
        "Power limit of each accelerator.", unit="W", unit_in_name=True, check=above(0), default=None
    )
    vboost_slider: int | None = _field(
        "Step of nvidia-smi boost-slider --vboost, which moves clock between compute and memory.",
        check=at_least(0),
        default=None,
    )
    cpu_freq: int | None = _field("Clock of the host's CPU.", unit="kHz", check=above(0), default=None)
    soc_gpu_freq: int | None = _field("Clock of an SoC's GPU.", unit="Hz", check=at_least(0), default=None)
    soc_dla_freq: int | None = _field("Clock of an SoC's DLAs; 0: off.", unit="Hz", check=at_least(0), default=None)
    soc_cpu_freq: int | None = _field("Clock of an SoC's CPU.", unit="kHz", check=at_least(0), default=None)
    soc_emc_freq: int | None = _field(
        "Clock of an SoC's memory controller; 0: its own choice.", unit="Hz", check=at_least(0), default=None
    )
    soc_pva_freq: int | None = _field(
        "Clock of an SoC's vision accelerator; 0: off.", unit="Hz", check=at_least(0), default=None
    )
    orin_num_cores: int | None = _field("CPU cores of an Orin left on.", unit="cores", check=at_least(1), default=None)
    orin_skip_maxq_reset: bool = _field("Leave an Orin's power mode as it is before the settings.", default=False)
