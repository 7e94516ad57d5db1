"""The engine cache: an engine is built once per key, by one process, and never used damaged.

``<build>/engines/<system>/<benchmark>/<key>/`` holds the engine file and ``engine-key.json``: the expanded key, so that
a miss explains itself, and the file's digest, so that damage is seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlperf_registry import plugins
from mlperf_registry.atomic import write_json
from mlperf_registry.digest import sha256_of
from mlperf_registry.execute.recipe import expanded_key, key_of
from mlperf_registry.execute.room import require_room
from mlperf_registry.schema.engine import Engine, Recipe
from mlperf_registry.schema.problem import RunFailed

_RECORD = "engine-key.json"


def engine_folder(build_dir: Path, system: str, benchmark: str) -> Path:
    """Where the engines of one system and benchmark lie."""
    return build_dir.resolve() / "engines" / system / benchmark


def find_engine(folder: Path, recipe: Recipe) -> Engine | str:
    """The cached engine of ``recipe``, or the sentence that says why there is none."""
    expanded = expanded_key(recipe)
    key = key_of(expanded)
    home = folder / key
    if not home.is_dir():
        return _explain_miss(folder, expanded)
    try:
        record = json.loads((home / _RECORD).read_text())
        file, digest = record["file"], record["sha256"]
        found = sha256_of(home / file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the cached engine {key} is damaged ({error})"
    if found != digest:
        return f"the cached engine {key} is damaged: {file} does not have the digest that it was built with"
    return Engine(key=key, path=str(home), file=file, sha256=digest, reused=True, why=f"engine {key} is in the cache")


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
    folder.mkdir(parents=True, exist_ok=True)
    key = key_of(expanded_key(recipe))
    with _locked(folder / f".{key}.lock", tell):
        found = "a build was asked for" if force else find_engine(folder, recipe)
        if isinstance(found, Engine):
            return found
        return _build(folder, key, recipe, why=found, tell=tell, report=report)


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
    names_model = hasattr(builder, "names_model") and builder.names_model(recipe)
    # Other engines are about as large as their model, what lies between the two included.
    require_room(folder, what="an engine", size=0 if names_model else _size(recipe.model_path))
    assembly = Path(tempfile.mkdtemp(dir=folder, prefix=f".{key}."))
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
        digest = sha256_of(assembly / file)
        record = {"key": key, "file": file, "sha256": digest, "expanded_key": expanded_key(recipe)}
        write_json(assembly / _RECORD, record)
        home = folder / key
        if home.exists():
            shutil.rmtree(home)
        assembly.chmod(0o755)
        assembly.replace(home)
    except FileNotFoundError as error:
        raise RunFailed(f"The builder of {recipe.backend} left no engine file: {error}") from error
    finally:
        shutil.rmtree(assembly, ignore_errors=True)
    return Engine(key=key, path=str(home), file=file, sha256=digest, reused=False, why=why)


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
    for record in folder.glob(f"*/{_RECORD}"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            have = json.loads(record.read_text())["expanded_key"]
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
