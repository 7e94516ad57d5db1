"""detect(): this machine, or a recorded one, as a Machine; load_machine(): a Machine from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlperf_registry.detect.cpu import read_cpu
from mlperf_registry.detect.host import Host, LiveHost
from mlperf_registry.detect.memory import read_memory
from mlperf_registry.detect.nic import read_nics
from mlperf_registry.detect.numa import read_numa
from mlperf_registry.schema.machine import MACHINE_SCHEMA, Machine
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.structure import structure


def detect(host: Host | None = None) -> Machine:
    """What a machine is, as far as a process on it may see it.

    Args:
        host: a recorded machine; by default, this one.

    Never raises for what cannot be read: that is None, and ``Machine.notes`` says why.
    """
    host = LiveHost() if host is None else host
    notes: list[str] = []
    cpu = read_cpu(host, one_chip=False, notes=notes)
    memory = read_memory(host, notes)
    numa = read_numa(host, notes)
    return Machine(
        cpu=cpu,
        memory=memory,
        numa=numa,
        nics=read_nics(host, numa),
        notes=tuple(notes),
    )


def load_machine(path: Path) -> Machine:
    """The machine of a file: a Machine as `mlperf systems detect --json` prints it.

    Raises:
        ConfigError: when the file cannot be read, or is neither.
    """
    tree = _read(path)
    if tree.get("schema") != MACHINE_SCHEMA:
        raise _wrong(path, "neither a machine nor a recording of one", _CURE)
    return structure(Machine, tree, canonical=True, origin=lambda _: (str(path), None))


_CURE = "`mlperf systems detect --json` prints a machine, and `--record FILE` records one"


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"is no JSON: {error}", _CURE) from error
    if not isinstance(tree, dict):
        raise _wrong(path, "neither a machine nor a recording of one", _CURE)
    return tree


def _wrong(path: Path, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(str(path), message, hint=hint)])
