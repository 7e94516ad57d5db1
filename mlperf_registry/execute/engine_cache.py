"""The engine cache: an engine is built once per key, by one process, and never used damaged.

``<build>/engines/<system>/<benchmark>/<key>/`` holds what the builder made and ``engine-key.json``: the expanded key,
so that a miss explains itself, and the digest of every file, so that damage is seen. What comes and goes lies beside
it, under names that begin with a dot and the key; ``<key>.failed.log`` is what a builder wrote that failed last.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlperf_registry import plugins
from mlperf_registry.atomic import write_json
from mlperf_registry.execute.digests import kept_sha256
from mlperf_registry.execute.recipe import expanded_key, key_of
from mlperf_registry.execute.room import require_room
from mlperf_registry.schema.engine import Engine, Recipe
from mlperf_registry.schema.problem import RunFailed

_RECORD = "engine-key.json"
_OLDER = {"key", "file", "sha256", "expanded_key"}
"""What a record had before there was a digest of every file."""
_LOCK_SUFFIX = ".lock"
_LOG = "build.log"
"""Of no use to a runner, so that it may be cut, annotated or removed."""


def engine_folder(build_dir: Path, system: str, benchmark: str) -> Path:
    """Where the engines of one system and benchmark lie."""
    return build_dir.resolve() / "engines" / system / benchmark


def find_engine(folder: Path, recipe: Recipe) -> Engine | str:
    """The cached engine of ``recipe``, or the sentence that says why there is none."""
    found = _look_up(folder, recipe)
    # Another process that puts a new engine in the place of this one lets a look see neither, or parts of both.
    return found if isinstance(found, Engine) else _look_up(folder, recipe)


def _look_up(folder: Path, recipe: Recipe) -> Engine | str:
    expanded = expanded_key(recipe)
    key = key_of(expanded)
    home = folder / key
    try:
        if not home.is_dir():
            return _explain_miss(folder, expanded)
        record = _sound_record(home, key)
    except OSError as error:
        record = f"is damaged: {Path(error.filename or home).name} cannot be read ({error.strerror})"
    if isinstance(record, str):
        return f"the cached engine {key} {record}"
    return _engine(home, record, reused=True, why=f"engine {key} is in the cache")


def get_engine(
    folder: Path,
    recipe: Recipe,
    *,
    force: bool = False,
    tell: Callable[[str], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> Engine:
    """The engine of ``recipe``, built if the cache has no sound one.

    Two processes that want the same engine build it once: the second waits for the first.

    Args:
        folder: see ``engine_folder``.
        recipe: what the engine is made of.
        force: build even if the cache has it.
        tell: told, in a sentence, of a wait for another process, and what a builder says of its recipe.
        report: told, in a few words, how far a builder is that says it.

    Raises:
        NotReady: when the disk has no room for an engine.
        RunFailed: when the builder fails.
    """
    key = key_of(expanded_key(recipe))
    if not force:
        found = _look_up(folder, recipe)
        if isinstance(found, Engine):  # without the lock: a cache that may only be read has its use
            return found
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f".{key}{_LOCK_SUFFIX}", tell):
        why = "a build was asked for" if force else _look_up(folder, recipe)
        if isinstance(why, Engine):  # another process was quicker
            return why
        _sweep(folder, key)
        return _build(folder, key, recipe, why=why, tell=tell, report=report)


def _build(
    folder: Path,
    key: str,
    recipe: Recipe,
    *,
    why: str,
    tell: Callable[[str], None] | None,
    report: Callable[[str], None] | None,
) -> Engine:
    builder = plugins.load(recipe.builder)()
    size = _size(recipe.model_path)
    require_room(folder, what="an engine", size=builder.room(recipe, size) if hasattr(builder, "room") else size)
    assembly = Path(tempfile.mkdtemp(dir=folder, prefix=f".{key}."))
    log_of_failure = folder / f"{key}.failed.log"
    try:
        if tell is not None and hasattr(builder, "tell"):
            builder.tell = tell
        if report is not None and hasattr(builder, "report"):
            builder.report = report
        file: str = builder.build(recipe, assembly)
        if (assembly / _RECORD).exists():
            raise RunFailed(
                f"The builder of {recipe.backend} wrote {_RECORD}, which is the cache's own: rename its file."
            )
        if not (assembly / file).is_file():
            raise FileNotFoundError(file)
        record = _make_record(assembly, file, expanded_key(recipe))
        write_json(assembly / _RECORD, record)
        assembly.chmod(0o755)
        home = folder / key
        if os.path.lexists(home):  # be it a file, or a link to nowhere
            home.replace(Path(tempfile.mkdtemp(dir=folder, prefix=f".{key}.old."), key))
        assembly.replace(home)
        log_of_failure.unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise RunFailed(f"The builder of {recipe.backend} left no engine file: {error}") from error
    except RunFailed as error:
        log = assembly / _LOG
        if not log.is_file() or not log.stat().st_size:
            raise
        log.replace(log_of_failure)
        raise RunFailed(f"{error} The builder's log: {log_of_failure}") from error
    finally:
        _sweep(folder, key)
    return _engine(home, record, reused=False, why=why)


def _sweep(folder: Path, key: str) -> None:
    """Remove what builds of this key left beside the engine; only whoever holds its lock may."""
    for left in folder.glob(f".{key}.*"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif left.suffix != _LOCK_SUFFIX:
            left.unlink(missing_ok=True)


def _sound_record(home: Path, key: str) -> dict[str, Any] | str:
    """The record of the engine that lies in ``home``, or what is wrong with it."""
    if not (home / _RECORD).is_file():  # a pipe in its place would never end
        return f"is damaged: {_RECORD} is missing"
    try:
        record: dict[str, Any] = json.loads((home / _RECORD).read_text(encoding="utf-8"))
        if set(record) == _OLDER:
            return "was written by an older version, which kept no digest of what lies beside it"
        sound = record["sha256"] == _record_digest(record) and key_of(record["expanded_key"]) == key
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        return f"is damaged: {_RECORD} is not as it was written"
    for name, digest in record["files"].items():
        if not (home / name).is_file():
            return f"is damaged: {name} is missing"
        if kept_sha256(home / name) != digest:
            return f"is damaged: {name} does not have the digest that it was built with"
    return record


def _engine(home: Path, record: dict[str, Any], *, reused: bool, why: str) -> Engine:
    file = record["file"]
    return Engine(key=record["key"], path=str(home), file=file, sha256=record["files"][file], reused=reused, why=why)


def _make_record(home: Path, file: str, expanded: dict[str, Any]) -> dict[str, Any]:
    """What ``engine-key.json`` holds: the key, the engine file, digests of all files, and at last its own digest."""
    names = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    record = {
        "key": key_of(expanded),
        "file": file,
        "files": {name: kept_sha256(home / name) for name in names if name not in (_LOG, _RECORD)},
        "expanded_key": expanded,
    }
    return {**record, "sha256": _record_digest(record)}


def _record_digest(record: dict[str, Any]) -> str:
    content = {name: value for name, value in record.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _size(model: str) -> int:
    """Bytes of a model's file, or of all files in its folder; of no model none."""
    if not model:
        return 0
    path = Path(model)
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def _explain_miss(folder: Path, wanted: dict[str, Any]) -> str:
    """What differs from the cached engine that is most like the one wanted."""
    closest: list[str] | None = None
    for record in (path for path in folder.glob(f"*/{_RECORD}") if path.is_file()):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            have = json.loads(record.read_text(encoding="utf-8"))["expanded_key"]
            changes = [
                f"{path} {_shown(have, path)} -> {_shown(wanted, path)}"
                for path in sorted(set(have) | set(wanted))
                if have.get(path) != wanted.get(path)
            ]
            if closest is None or len(changes) < len(closest):
                closest = changes
    return "no engine in the cache yet" if closest is None else f"rebuilding: {', '.join(closest)}"


def _shown(expanded: dict[str, Any], path: str) -> str:
    value = expanded.get(path, "(default)")
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:12]}..." if path.endswith("sha256") else text


@contextlib.contextmanager
def _locked(path: Path, tell: Callable[[str], None] | None) -> Iterator[None]:
    # flock, since the system releases it when its holder dies, whatever killed it.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tell is not None:
                tell("Waiting for another process that builds this engine.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
