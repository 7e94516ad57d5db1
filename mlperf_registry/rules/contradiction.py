"""Contradiction: two values that MLCommons' own sources give for one thing, and which of them a round's rules follow.

They are the second YAML document of a round's file, so that whoever reads only the rules does not wait for them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import attrs

from mlperf_registry.rules.round import read_yaml, round_text
from mlperf_registry.schema.knob import knob
from mlperf_registry.structure import structure

SILENT = "none"
"""Stands for the value of a source that does not state one."""


@attrs.frozen(kw_only=True)
class Contradiction:
    """What sources say of one value. Values are as in the file: units as text, lists as lists."""

    benchmarks: tuple[str, ...] = knob("Benchmarks that it is about; empty: all of the round.", default=())
    path: str = knob("Path of the value, from the benchmark or, where there is none, from the round.")
    values: dict[str, Any] = knob("Source to its value; ``none`` where it does not state one.")
    holds: str = knob("The source whose value the rules have.")
    why: str = knob("Why that one, as the end of a sentence.", default="")


@attrs.frozen(kw_only=True)
class _Document:
    contradictions: tuple[Contradiction, ...] = knob("In the order of the benchmarks.")


@cache
def contradictions(round_name: str) -> tuple[Contradiction, ...]:
    """Where the sources of a round contradict each other; the name must be one of ``round_names()``."""
    return structure(_Document, read_yaml(round_text(round_name, document=1))).contradictions
