"""The shipped systems, and a machine for each: what it shows by NVIDIA's published rules and descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlperf_registry.compose.document import load_yaml
from mlperf_registry.schema.machine import Accelerator, Cpu, Machine
from mlperf_registry.schema.sections import System
from mlperf_registry.structure import structure

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30


def machine_of(row: dict[str, Any]) -> Machine:
    """The machine of one line of tests/data/known_machines.jsonl."""
    shown = dict(row.get("accelerators", {"count": 0}))
    count, vram = shown.pop("count"), shown.pop("vram_gib", None)
    accelerators = (
        Accelerator(index=index, vram=None if vram is None else int(vram * GIB), **shown) for index in range(count)
    )
    return Machine(
        cpu=Cpu(**row["cpu"]),
        memory=int(row["memory_gib"] * GIB),
        accelerators=tuple(accelerators),
        board=row.get("board"),
        dla_count=row.get("dla_count", 0),
    )


@pytest.fixture(scope="session")
def systems() -> dict[str, System]:
    """The shipped systems by id."""
    files = sorted((ROOT / "conf" / "system").glob("*.yaml"))
    return {file.stem: structure(System, load_yaml(file).tree["system"]) for file in files}


@pytest.fixture(scope="session")
def machines() -> dict[str, Machine]:
    """A machine of each published system, by the system's id."""
    lines = (ROOT / "tests" / "data" / "known_machines.jsonl").read_text().splitlines()
    return {row["id"]: machine_of(row) for row in map(json.loads, lines)}


@pytest.fixture(scope="session")
def tuned() -> frozenset[str]:
    """Ids of the systems with tuned values."""
    return frozenset(folder.name for folder in (ROOT / "conf" / "tuned").glob("*/*") if not folder.name.startswith("_"))
