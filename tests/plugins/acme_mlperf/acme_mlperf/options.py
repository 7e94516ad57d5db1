"""Options that the benchmark and the backend own: ``benchmark.options`` and ``backend.options``."""

from __future__ import annotations

import attrs

from mlperf_registry.schema.knob import at_least, between, knob


@attrs.frozen(kw_only=True)
class ParityOptions:
    """``benchmark.options`` of the family ``parity``."""

    word_bits: int = knob("Length of a word.", unit="bits", check=between(1, 64))
    words_seed: int = knob("Seed of the words.", check=at_least(0), default=1)


@attrs.frozen(kw_only=True)
class AcmeOptions:
    """``backend.options`` of ``acme``."""

    pruned_bits: int = knob(
        "Bits at the end of a word that the engine leaves out: less work, wrong answers.",
        unit="bits",
        check=at_least(0),
        default=0,
    )
