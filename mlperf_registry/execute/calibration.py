"""The INT8 calibration cache of a workload: where it lies, and how it is made from the calibration set.

A cache that ships beside its model is taken; one that is made goes to the scratch space, or to the user's cache folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry import plugins
from mlperf_registry.atomic import write_text
from mlperf_registry.execute.device import device_of
from mlperf_registry.execute.model import find_model, model_digest
from mlperf_registry.execute.progress import Progress
from mlperf_registry.roots import package_file, readable, user_cache_folder
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.schema.workload import Workload

SHIPPED_SUFFIX = ".calibration"
"""In place of the model's own suffix, of a cache that lies beside it."""
_BATCH = 10
_SAMPLES = 500
"""As many as MLPerf's calibration lists have."""
_RANDOM_SAMPLES = 32
"""Where weights are random no accuracy depends on the ranges."""
_TELL_SECONDS = 2.0


def is_calibrated(workload: Workload) -> bool:
    """Whether the workload's engine is made by a calibration cache, where its network does not quantise itself."""
    precisions = (workload.builder.precision or {}).values()
    return "int8" in precisions and plugins.backend(workload.backend.name).calibrate is not None


def find_cache(workload: Workload, scratch: Path | None) -> Path | None:
    """The workload's calibration cache, or None where it is not made yet or not needed.

    Raises:
        NotReady: when the model is missing, or the cache's folder may not be read.
    """
    if not is_calibrated(workload):
        return None
    for path in _places(workload, scratch):
        with readable(path):
            if path.is_file():
                return path
    return None


def ensure_cache(workload: Workload, scratch: Path | None, progress: Progress) -> None:
    """Make the calibration cache where it is needed and missing, or where ``builder.force_calibration`` asks for it.

    Raises: as ``make_cache``, and as ``device_of``.
    """
    if is_calibrated(workload) and (workload.builder.force_calibration or find_cache(workload, scratch) is None):
        device_of(workload)  # before minutes go into calibrating for a GPU that is not here
        make_cache(workload, scratch, progress)


def make_cache(workload: Workload, scratch: Path | None, progress: Progress) -> Path | None:
    """Calibrate, and return where the cache was written; None where the network quantises itself.

    Raises:
        ConfigError: when the backend is not calibrated.
        NotReady: when model or calibration set are missing, or the cache cannot be written.
        RunFailed: when the network cannot be executed.
    """
    plugin = plugins.backend(workload.backend.name)
    if plugin.calibrate is None:
        message = f"is {plugin.name}, whose engines need no calibration cache"
        raise ConfigError([Problem("backend", message, hint="backend=tensorrt")])
    dataset = plugins.open_calibration_set(workload, scratch)
    if dataset is None:
        raise NotReady(f"Benchmarks of the family {workload.benchmark.family} have no calibration set here.")
    progress.phase("calibrate", f"INT8 ranges of {workload.benchmark.id}")
    model = _network(workload, scratch)
    text = plugins.load(plugin.calibrate)(model, _Batches.of(dataset, workload), _paced(progress))
    if text is None:
        return None
    path = _places(workload, scratch)[0]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise NotReady(
            f"The calibration cache cannot be written to {path} ({error.strerror}): name another place with "
            "builder.cache_file."
        ) from error
    progress.note(f"The calibration cache lies at {path}.")
    return path


def _places(workload: Workload, scratch: Path | None) -> list[Path]:
    """Where the cache may lie: the first that is there is taken, and the first of all is where one is made."""
    model, named = _network(workload, scratch), workload.builder.cache_file
    if named is not None:
        shipped = package_file(named)
        folders = [folder for folder in (scratch, model.parent) if folder is not None]
        return [shipped] if shipped is not None else [folder / named for folder in folders]
    home = user_cache_folder(os.environ) if scratch is None else scratch
    with readable(model):
        digest = model_digest(model)
    made = home / "calibration" / f"{workload.benchmark.id}-{digest[:16]}{SHIPPED_SUFFIX}"
    return [made, model.with_suffix(SHIPPED_SUFFIX)]


def _network(workload: Workload, scratch: Path | None) -> Path:
    model = find_model(workload, scratch)
    assert model is not None, "a backend that is calibrated takes a network"
    return model


@attrs.frozen
class _Batches:
    """The calibration set in batches; iterable again and again."""

    dataset: Any
    size: int
    count: int
    """Samples, all batches together."""

    @classmethod
    def of(cls, dataset: Any, workload: Workload) -> _Batches:
        builder = workload.builder
        size = builder.calib_batch_size or _BATCH
        most = _RANDOM_SAMPLES if workload.model.weights == "random" else _SAMPLES
        if builder.calib_max_batches is not None:
            most = size * builder.calib_max_batches
        return cls(dataset, size, min(most, len(dataset)))

    def __iter__(self) -> Iterator[Any]:
        import numpy as np

        for start in range(0, self.count, self.size):
            yield self.dataset.load(np.arange(start, min(start + self.size, self.count)))


def _paced(progress: Progress) -> Callable[[str], None]:
    told = [time.monotonic()]

    def tell(message: str) -> None:
        if time.monotonic() - told[0] >= _TELL_SECONDS:
            told[0] = time.monotonic()
            progress.phase("calibrate", message)

    return tell
