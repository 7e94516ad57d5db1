"""The commands for GPUs that the README shows are configurations that stand, whatever machine this is."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def commands() -> list[str]:
    lines = [line.partition("#")[0].strip() for line in README.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.startswith("mlperf ") and "backend=tensorrt" in line]


@pytest.mark.parametrize("command", commands())
def test_it_composes_and_states_its_batch_size(mlperf, command):
    words = [word for word in shlex.split(command)[2:] if not word.startswith("--")]
    answer = mlperf("validate", *words)
    assert answer.code == 0, answer.err
    size = mlperf("explain", "builder.gpu_batch_size", *words, "--json").json["value"]
    assert size, "nobody can build an engine without one"
