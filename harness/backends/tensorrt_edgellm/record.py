"""engine.json: where an Edge-LLM engine lies and what it can take, as its own config.json says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from harness.backends.tensorrt_edgellm.source import CONFIG, ENGINE, read_config
from mlperf_registry.atomic import write_json
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.knob import knob
from mlperf_registry.schema.problem import ConfigError, NotReady
from mlperf_registry.structure import structure, unstructure

RECORD_FILE = "engine.json"
RECORD_SCHEMA = 1


@attrs.frozen(kw_only=True)
class EngineRecord:
    """engine.json."""

    schema: int = knob("Version of this file's form.")
    folder: str = knob("Folder of the engine; relative to this file's, or absolute where it was built elsewhere.")
    engine_bytes: int = knob("Size of the engine file: another means that it was changed.", unit="B")
    max_batch_size: int = knob("Requests that decode together.", unit="requests")
    max_input_len: int = knob("Longest prompt.", unit="tokens")
    max_kv_cache_capacity: int = knob("Longest prompt and answer together.", unit="tokens")
    eos_token_ids: tuple[int, ...] = knob("Tokens that end an answer.", default=())


def write_record(home: Path, folder: Path) -> None:
    """Write engine.json of the engine in ``folder`` into ``home``.

    Raises:
        NotReady: when the engine's config.json does not say what it can take.
    """
    config = read_config(folder)
    try:
        built = config["builder_config"]
        record = EngineRecord(
            schema=RECORD_SCHEMA,
            folder=str(folder.relative_to(home) if folder.is_relative_to(home) else folder),
            engine_bytes=(folder / ENGINE).stat().st_size,
            max_batch_size=int(built["max_batch_size"]),
            max_input_len=int(built["max_input_len"]),
            max_kv_cache_capacity=int(built["max_kv_cache_capacity"]),
            eos_token_ids=_ids(config.get("eos_token_id")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotReady(f"{folder / CONFIG} lacks its builder_config ({error!r}): build the engine again.") from error
    write_json(home / RECORD_FILE, unstructure(record))


def read_record(engine: Engine) -> tuple[EngineRecord, Path]:
    """The record of an engine, and the engine's absolute folder.

    Raises:
        NotReady: when it is missing or unreadable, or the engine is not the one that was recorded.
    """
    home = Path(engine.path)
    path = home / RECORD_FILE
    try:
        tree: dict[str, Any] = json.loads(path.read_text())
        if tree.get("schema") != RECORD_SCHEMA:
            raise ValueError(f"schema {tree.get('schema')}, and this version reads {RECORD_SCHEMA}")
        record = structure(EngineRecord, tree, canonical=True)
        folder = home / record.folder
        found = (folder / ENGINE).stat().st_size
    except (OSError, ValueError, ConfigError) as error:
        raise NotReady(f"{path} is not readable ({error}): build with builder.force_build_engines=true.") from error
    if found != record.engine_bytes:
        raise NotReady(
            f"{folder / ENGINE} has {found} bytes, and had {record.engine_bytes} when it was recorded: build with "
            "builder.force_build_engines=true."
        )
    return record, folder


def _ids(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(int(one) for one in value) if isinstance(value, list) else (int(value),)
