"""The network: where its files are, and where one gets them.

Paths are relative to the scratch space, or ``package:<package>/<path>`` for a wheel's files.
"""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.applicability import TOKENS
from mlperf_registry.schema.knob import Applies, knob


@attrs.frozen(kw_only=True)
class Model:
    """The network. Paths are relative to the scratch space, or ``package:<package>/<path>`` for a wheel's files."""

    path: str | None = knob("The ONNX file, or the folder of a checkpoint.", default=None)
    tokenizer_path: str | None = knob(
        "The tokenizer.json of a language model, or a folder with one; absent: in model.path, a folder or a GGUF file.",
        applies=Applies(benchmarks=TOKENS),
        default=None,
    )
    architecture: str | None = knob(
        "Name of the public architecture of a language model, for random weights.",
        applies=Applies(benchmarks=TOKENS),
        default=None,
    )
    source: str = knob("Where to get the model, for the one who lacks it.", default="")
    input_name: str | None = knob("Name of the graph's input tensor.", default=None)
    output_name: str | None = knob("Name of the graph's output tensor that accuracy reads.", default=None)
    weights: Literal["trained", "random"] = knob(
        "random builds from the architecture alone: performance only.", default="trained"
    )
