"""detect(): this machine, or a recorded one, as a Machine; record(): one to take along; load_machine(): from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlperf_registry.detect.board import read_board
from mlperf_registry.detect.cpu import read_cpu
from mlperf_registry.detect.gpu import read_gpus
from mlperf_registry.detect.host import Host, LiveHost
from mlperf_registry.detect.memory import read_memory
from mlperf_registry.detect.nic import read_nics
from mlperf_registry.detect.numa import read_numa
from mlperf_registry.detect.recording import RECORDING_SCHEMA, RecordedHost, Recorder, Recording
from mlperf_registry.detect.software import read_versions
from mlperf_registry.schema.machine import MACHINE_SCHEMA, Machine
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.structure import structure, unstructure

_CURE = "`mlperf systems detect --json` prints a machine, and `--record FILE` records one"


def detect(host: Host | None = None) -> Machine:
    """What a machine is, as far as a process on it may see it.

    What cannot be read raises nothing: it is None, and ``Machine.notes`` says why.

    Args:
        host: another machine than this one, such as a recorded one.
    """
    host = LiveHost() if host is None else host
    notes: list[str] = []
    board = read_board(host)
    cpu = read_cpu(host, one_chip=board.chip is not None, notes=notes)
    memory = read_memory(host, notes)
    numa = read_numa(host, notes)
    return Machine(
        cpu=cpu,
        memory=memory,
        numa=numa,
        accelerators=read_gpus(host, board, memory, numa, notes),
        nics=read_nics(host, numa),
        board=board.model,
        dla_count=board.dla_count,
        versions=read_versions(host),
        notes=tuple(notes),
    )


def record(host: Host | None = None, *, source: str = "captured") -> dict[str, Any]:
    """What ``detect`` reads of a machine, as JSON that ``load_machine`` takes.

    It holds no names of hosts or users and no addresses of networks, but the UUIDs of GPUs.
    """
    recorder = Recorder(LiveHost() if host is None else host)
    detect(recorder)
    tree: dict[str, Any] = unstructure(recorder.recording(source))
    return {key: value for key, value in tree.items() if value not in (None, {})}


def load_machine(path: Path) -> Machine:
    """The machine of a file: a recording, or a Machine as `mlperf systems detect --json` prints it.

    Raises:
        ConfigError: when the file cannot be read, or is neither.
    """
    tree = _read(path)

    def origin(_: tuple[str, ...]) -> tuple[str, None]:
        return str(path), None

    if tree.get("recording") == RECORDING_SCHEMA:
        return detect(RecordedHost(structure(Recording, tree, canonical=True, origin=origin)))
    if tree.get("schema") == MACHINE_SCHEMA:
        return structure(Machine, tree, canonical=True, origin=origin)
    for key, known in (("recording", RECORDING_SCHEMA), ("schema", MACHINE_SCHEMA)):
        if key in tree:
            raise _wrong(path, f"its {key} is of version {tree[key]!r}, and this program reads version {known}")
    raise _wrong(path, "is neither a machine nor a recording of one", _CURE)


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"is no JSON: {error}", _CURE) from error
    if not isinstance(tree, dict):
        raise _wrong(path, "is neither a machine nor a recording of one", _CURE)
    return tree


def _wrong(path: Path, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(str(path), message, hint=hint)])
