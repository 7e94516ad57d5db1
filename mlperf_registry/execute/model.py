"""Where a workload's network lies: the trained one where the config says, a random one in the user's cache.

A random network of the same code is the same, so it is made once and its engines are found again. A network is one
file, the folder of a checkpoint, or nothing at all, where a server has it: the engine library decides.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from mlperf_registry import plugins
from mlperf_registry.atomic import write_bytes
from mlperf_registry.execute.digests import kept_sha256
from mlperf_registry.roots import resolve_path, user_cache_folder
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure

_WHOLE = 16 << 20
_END = 1 << 20
"""Bytes of a file of a checkpoint that its digest covers: all up to the first, the ends of one that is larger."""


def find_model(workload: Workload, scratch: Path | None) -> Path | None:
    """The file or folder of the workload's network; a random one is made if this user has not had it yet.

    Returns None for a backend that takes none.

    Raises:
        NotReady: when the trained network is missing, or the random one cannot be made or written.
        ConfigError: when what is set describes no network.
    """
    takes = plugins.backend(workload.backend.name).takes
    if takes == "nothing":
        return None
    if workload.model.weights == "trained":
        return resolve_path(workload.model.path, scratch, source=workload.model.source, kind=takes)
    target = str(plugins.require_harness(workload.benchmark.family).random_weights)
    path = user_cache_folder(os.environ) / "models" / (_name(workload, target) + (".onnx" if takes == "file" else ""))
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, plugins.load(target)(workload.model, workload.benchmark.options))
        except OSError as error:
            raise NotReady(
                f"The network with random weights cannot be written to {path} ({error.strerror}): make room, or set "
                "$XDG_CACHE_HOME to a folder that can be written."
            ) from error
    return path


def _write(path: Path, network: bytes | dict[str, bytes]) -> None:
    if isinstance(network, bytes):
        write_bytes(path, network)
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:
        assembly = Path(name, path.name)
        assembly.mkdir()
        for file, content in network.items():
            (assembly / file).write_bytes(content)
        with contextlib.suppress(FileExistsError):  # another process was quicker
            assembly.rename(path)


def model_digest(model: Path | None) -> str:
    """Hex digest of a network, made once a process while its files stay: it is asked for at each step.

    Of a file it covers every byte. A checkpoint's folder may hold hundreds of gigabytes, of which it covers the names
    and sizes of all files, the content of those up to 16 MiB (configuration, tokeniser, index of the tensors), and of
    larger ones the first and the last MiB: other weights of the same shape that agree in both are not told apart. No
    network at all is ``none``.
    """
    if model is None:
        return "none"
    if model.is_dir():
        files = sorted(path for path in model.rglob("*") if path.is_file())
        stats = [path.stat() for path in files]
        seen = tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in zip(files, stats, strict=True))
        return _folder_digest(model, seen)
    now = model.stat()
    return _digest(model, now.st_mtime_ns, now.st_size)


@lru_cache(maxsize=16)
def _digest(model: Path, changed_ns: int, size: int) -> str:
    return kept_sha256(model)


@lru_cache(maxsize=16)
def _folder_digest(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, size in files:
        path = Path(name)
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                digest.update(file.read())
            else:
                digest.update(file.read(_END))
                file.seek(size - _END)
                digest.update(file.read(_END))
    return digest.hexdigest()


def _name(workload: Workload, target: str) -> str:
    """Another for each network that comes out differently, by another architecture's code too."""
    model, options = workload.model, workload.benchmark.options
    described = [model.input_name, model.output_name, unstructure(options), _source(target)]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
    return f"{workload.benchmark.family}-random-{digest}"


@lru_cache(maxsize=16)
def _source(target: str) -> str:
    """The code that makes networks, found without importing it: most runs find the network made."""
    spec = find_spec(target.partition(":")[0])
    if spec is None or spec.origin is None:
        raise NotReady(f"{target} does not load: its module has no file.")
    return Path(spec.origin).read_text(encoding="utf-8")
