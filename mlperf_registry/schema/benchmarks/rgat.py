"""Options of node classification by R-GAT on a large graph."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import at_least, knob


@attrs.frozen(kw_only=True)
class RgatOptions:
    """``benchmark.options`` of the family ``rgat``."""

    rgat_buffer_size: int | None = knob(
        "Batches that the harness keeps ready.", unit="batches", check=at_least(1), default=None
    )
