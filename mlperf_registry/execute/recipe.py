"""From a workload to a Recipe: exactly the values that the backend's builder declares to read, and their key."""

from __future__ import annotations

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any

from mlperf_registry import plugins
from mlperf_registry.digest import sha256_of
from mlperf_registry.execute.calibration import find_cache
from mlperf_registry.execute.device import device_of
from mlperf_registry.execute.digests import kept_sha256
from mlperf_registry.execute.host import library_version
from mlperf_registry.execute.model import find_model, model_digest
from mlperf_registry.roots import readable
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import NotReady
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure, value_at

KEY_SCHEMA = 1
"""Version of the key's form; raising it makes every engine stale."""

_EXTERNAL = b"\n\x08location\x12"
"""How an ONNX file names another file that holds a tensor: key ``location`` of TensorProto.external_data, encoded."""


def make_recipe(workload: Workload, scratch: Path | None) -> Recipe:
    """What the builder of the workload's backend is given.

    An ONNX model must be one file: its digest stands for all of it.

    Raises:
        NotReady: when the benchmark's harness, the model or the engine library is missing, the library does not say its
            version, the model is not what the library takes or keeps tensors in other files, or the GPU to build for or
            a plug-in library is absent; when the model or the calibration cache may not be read.
    """
    plugins.require_harness(workload.benchmark.family)
    plugin = plugins.backend(workload.backend.name)
    plugins.require(plugin)
    assert plugin.builder is not None
    read = {path: found for path in plugin.reads if (found := value_at(workload, path)) is not None}
    device = device_of(workload)
    model = find_model(workload, scratch)
    with readable(model or Path()):
        if model is not None and workload.model.weights == "trained":  # a random network was made in one piece
            _require_whole(model)
        model_sha256 = model_digest(model)
    cache = find_cache(workload, scratch)
    with readable(cache or Path()):
        calibration_sha256 = None if cache is None else sha256_of(cache)
    return Recipe(
        backend=plugin.name,
        library_version=library_version(plugin),
        builder=plugin.builder,
        builder_version=plugins.load(plugin.builder).version,
        device=device,
        gpu_index=next(iter(workload.runtime.gpu_indices), 0),
        model_path="" if model is None else str(model),
        model_sha256=model_sha256,
        calibration_path=None if cache is None else str(cache),
        calibration_sha256=calibration_sha256,
        plugin_sha256=_plugin_digests(workload) if "builder.plugin_libraries" in read else (),
        values={path: unstructure(value) for path, (value, _) in read.items()},
        at_default=tuple(path for path, (_, is_default) in read.items() if is_default),
    )


def expanded_key(recipe: Recipe) -> dict[str, Any]:
    """Everything that the key is the digest of, readable.

    A value that equals its field's default is left out, so that a field added later does not change old keys. The
    price: whoever changes a default must raise ``version`` of every builder that reads the field, since old engines
    would pass for new ones.
    """
    return {
        "key_schema": KEY_SCHEMA,
        "backend": recipe.backend,
        "library_version": recipe.library_version,
        "builder": recipe.builder,
        "builder_version": recipe.builder_version,
        "device": recipe.device,
        "model_sha256": recipe.model_sha256,
        **({} if recipe.calibration_sha256 is None else {"calibration_sha256": recipe.calibration_sha256}),
        **({"plugin_sha256": list(recipe.plugin_sha256)} if recipe.plugin_sha256 else {}),
        **{path: value for path, value in sorted(recipe.values.items()) if path not in recipe.at_default},
    }


def key_of(expanded: dict[str, Any]) -> str:
    """The engine key: 16 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(json.dumps(expanded, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _plugin_digests(workload: Workload) -> tuple[str, ...]:
    try:
        return tuple(kept_sha256(Path(path)) for path in workload.builder.plugin_libraries)
    except OSError as error:
        raise NotReady(
            f"builder.plugin_libraries names {error.filename}, which cannot be read ({error.strerror})."
        ) from error


def _require_whole(model: Path) -> None:
    if model.suffix != ".onnx" or model.stat().st_size == 0:
        return
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_EXTERNAL) != -1:
            raise NotReady(
                f"{model} keeps tensors in other files (ONNX external data), which an engine's key would not see. "
                "Save it as one file: onnx.save(onnx.load(path), path)."
            )
