"""Where a workload's network lies: the trained one where the config says, a random one in the user's cache.

A random network of the same code is the same, so it is made once and its engines are found again.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from mlperf_registry import plugins
from mlperf_registry.atomic import write_bytes
from mlperf_registry.execute.digests import kept_sha256
from mlperf_registry.roots import resolve_file, user_cache_folder
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure


def find_model(workload: Workload, scratch: Path | None) -> Path:
    """The file of the workload's network; a random one is made if this user has not had it yet, in a second or two.

    Raises:
        NotReady: when the trained network is missing, or the random one cannot be made or written.
        ConfigError: when what is set describes no network.
    """
    if workload.model.weights == "trained":
        return resolve_file(workload.model.path, scratch, source=workload.model.source)
    target = str(plugins.require_harness(workload.benchmark.family).random_weights)
    path = user_cache_folder(os.environ) / "models" / f"{_name(workload, target)}.onnx"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, plugins.load(target)(workload.model, workload.benchmark.options))
        except OSError as error:
            raise NotReady(
                f"The network with random weights cannot be written to {path} ({error.strerror}): make room, or set "
                "$XDG_CACHE_HOME to a folder that can be written."
            ) from error
    return path


def model_digest(model: Path) -> str:
    """Hex digest of a network's file, made once a process while the file stays: it is asked for at each step."""
    now = model.stat()
    return _digest(model, now.st_mtime_ns, now.st_size)


@lru_cache(maxsize=16)
def _digest(model: Path, changed_ns: int, size: int) -> str:
    return kept_sha256(model)


def _name(workload: Workload, target: str) -> str:
    """Another for each network that comes out differently, by another architecture's code too."""
    model, options = workload.model, workload.benchmark.options
    described = [model.input_name, model.output_name, unstructure(options), _source(target)]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
    return f"{workload.benchmark.family}-random-{digest}"


def _source(target: str) -> str:
    """The code that makes networks, found without importing it: most runs find the network made."""
    spec = find_spec(target.partition(":")[0])
    if spec is None or spec.origin is None:
        raise NotReady(f"{target} does not load: its module has no file.")
    return Path(spec.origin).read_text(encoding="utf-8")
