"""The commands that docs/tuning.md and docs/from_nvidia.md show are configurations that stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GPU = "system=DGX-H100_H100-SXM-80GBx8"


def commands(page: str) -> list[str]:
    """Commands that run or build something, with no ``...`` in them, of code blocks and of code in tables."""
    text = (DOCS / page).read_text(encoding="utf-8")
    shown = [*re.findall(r"^mlperf .*$", text, re.M), *re.findall(r"`(mlperf [^`]*)`", text)]
    told = dict.fromkeys(line.partition("  #")[0].strip() for line in shown if "..." not in line)
    return [line for line in told if re.match(r"mlperf (run|harness|build) .*=", line)]


@pytest.mark.parametrize("command", commands("tuning.md"))
def test_a_command_of_the_tuning_page_would_run_anywhere(mlperf, command):
    answer = mlperf(*shlex.split(command)[1:], "--dry-run")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("command", commands("from_nvidia.md"))
def test_a_command_for_those_who_know_nvidias_composes_on_a_dgx(mlperf, command):
    words = [word for word in shlex.split(command)[1:] if not word.startswith("--")]
    chosen = [] if any(word.startswith("system=") for word in words) else [GPU]
    answer = mlperf(*words, *chosen, "--dry-run")
    assert answer.code in (0, 3), answer.err
    assert "native" in answer.out, "a row for each point"
