"""Options of language understanding by BERT: packed sequences of any length, and graphs for the short ones."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.applicability import SERVER
from mlperf_registry.schema.knob import Applies, at_least, between, knob, matches

_SERVER = Applies(scenarios=SERVER)
_RANGE = r"\(\d+(, ?\d+){3}\)"


@attrs.frozen(kw_only=True)
class BertOptions:
    """``benchmark.options`` of the family ``bert``."""

    bert_opt_seqlen: int | None = knob(
        "Sequence length that the engine is tuned for.", unit="tokens", check=at_least(1), default=None
    )
    enable_interleaved: bool = knob("Use the interleaved layout of INT8 data.", default=False)
    graphs_max_seqlen: int | None = knob(
        "Longest sequence with a CUDA graph.", unit="tokens", check=at_least(1), applies=_SERVER, default=None
    )
    graph_specs: str | None = knob(
        "Ranges with a CUDA graph, as (longest sequence, least total, most total, step), ...",
        check=matches(rf"{_RANGE}(, ?{_RANGE})*", "(128, 4, 256, 4), (192, 128, 512, 4)"),
        applies=_SERVER,
        default=None,
    )
    soft_drop: float | None = knob(
        "Share of queries answered as they come; the longest of the rest wait for the end.",
        check=between(0, 1),
        applies=_SERVER,
        default=None,
    )
