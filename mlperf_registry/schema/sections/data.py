"""The data set: raw, preprocessed, and where one gets it.

Paths are relative to the scratch space, or ``package:<package>/<path>`` for a wheel's files.
"""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import Applies, at_least, knob


@attrs.frozen(kw_only=True)
class Data:
    """The data set. Paths as in ``Model``."""

    path: str | None = knob("Folder or file with the samples.", default=None)
    accuracy_path: str | None = knob(
        "The same for accuracy runs, where MLPerf scores other samples than it times; absent: the same samples.",
        applies=Applies(benchmarks=("llm",)),
        default=None,
    )
    map_path: str | None = knob("List of samples and their labels.", default=None)
    tensor_path: str | None = knob(
        "Preprocessed samples, filled on first use; several paths, one for each input, are separated by commas.",
        default=None,
    )
    coalesced_tensor: bool = knob(
        "All samples lie in one file of tensor_path.",
        applies=Applies(benchmarks=("bert", "dlrm", "llm")),
        default=False,
    )
    source: str = knob("Where to get the data, for the one who lacks it.", default="")
    sample_count: int | None = knob(
        "Samples of the whole set; absent: the round's.", unit="samples", check=at_least(1), default=None
    )
