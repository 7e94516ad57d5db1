"""The engine library, imported when needed: full TensorRT or TensorRT for RTX, and what this version of it can do.

What differs between them is found by looking, never by comparing versions.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from importlib import import_module
from typing import Any

import attrs

from harness.backends.tensorrt.gpu import require_gpu
from mlperf_registry.schema.problem import NotReady, RunFailed

_EXTRAS = {"tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}
_KEPT_ERRORS = 20

log = logging.getLogger("mlperf.tensorrt")


@attrs.frozen(kw_only=True)
class Features:
    """What this version of the library has."""

    precision_flags: bool
    """The builder is told number formats by flags; without, every network is strongly typed."""
    dynamic_ranges: bool
    """Tensors take calibrated ranges, so that INT8 needs no Q/DQ nodes in the graph."""
    explicit_batch_flag: bool
    """Networks with the batch in their shape must be asked for."""
    strongly_typed_flag: bool
    """Networks that take number formats from the graph can be asked for."""
    compute_capability: bool
    """Engines can be built for GPUs that are not here, and with none here."""
    progress_monitor: bool
    """A build tells how far it is."""
    timing_cache: bool
    """Timings of tactics can be kept between builds, and are of use."""
    optimization_level: bool
    """The effort of a build can be chosen."""
    version_compatible: bool
    """Later versions can load a plan, where it is built for that."""
    dla: bool
    """Layers can be put on a DLA."""
    engine_validity: bool
    """A plan that cannot be used here says why."""


@attrs.frozen(kw_only=True, eq=False)
class Library:
    """An engine library that is imported."""

    name: str
    """Alias of the backend, and the module's name."""
    trt: Any
    """The module."""
    version: str
    """Version of the module, such as 8.6.0."""
    logger: Any
    """What every object of the library is made with; must outlive them."""
    features: Features

    @property
    def title(self) -> str:
        """As messages name it."""
        return f"{'TensorRT for RTX' if self.name == 'tensorrt_rtx' else 'TensorRT'} {self.version}"

    def make(self, kind: str) -> Any:
        """A Builder or Runtime of the library.

        Raises:
            RunFailed: when it makes none, for want of device memory or a driver that it can use.
        """
        try:
            return getattr(self.trt, kind)(self.logger)
        except TypeError as error:  # how the bindings say that they got a null pointer
            raise self.failed(f"makes no {kind}") from error

    def failed(self, what: str) -> RunFailed:
        """The failure of a call that says no more than None or False: with what the library logged meanwhile."""
        said = self.logger.take_errors()
        return RunFailed(f"{self.title} {what}{': ' if said else ', and does not say why.'}{said}")


def open_library(name: str, *, on_gpu: bool = True) -> Library:
    """The engine library.

    Args:
        name: ``tensorrt`` or ``tensorrt_rtx``.
        on_gpu: whether a GPU is needed. Full TensorRT of some versions crashes without one, so it is asked for first.

    Raises:
        NotReady: when the library, the GPU or a driver that is new enough is absent.
    """
    try:
        trt = import_module(name)
    except (ImportError, OSError) as error:  # OSError: of a shared library that the module loads itself
        # Its package is there and a library that it needs is not: only the error's own words tell which.
        cause = "" if isinstance(error, ModuleNotFoundError) and error.name == name else f" ({error})"
        raise NotReady(
            f"The backend {name} needs its library{cause}: pip install 'mlperf-registry[{_EXTRAS[name]}]'"
        ) from error
    if on_gpu:
        require_gpu()
    return Library(
        name=name, trt=trt, version=str(trt.__version__), logger=_make_logger(trt), features=_features(name, trt)
    )


def _features(name: str, trt: Any) -> Features:
    config, creation = trt.IBuilderConfig, trt.NetworkDefinitionCreationFlag
    compute_capability = hasattr(config, "set_compute_capability")
    return Features(
        precision_flags=hasattr(trt.BuilderFlag, "FP16"),
        dynamic_ranges=hasattr(trt.ITensor, "dynamic_range") and hasattr(trt.BuilderFlag, "INT8"),
        explicit_batch_flag=hasattr(creation, "EXPLICIT_BATCH"),
        strongly_typed_flag=hasattr(creation, "STRONGLY_TYPED"),
        compute_capability=compute_capability,
        progress_monitor=hasattr(trt, "IProgressMonitor") and hasattr(config, "progress_monitor"),
        # A library that builds for absent GPUs times nothing: its cache would stay empty.
        timing_cache=hasattr(config, "create_timing_cache") and not compute_capability,
        optimization_level=hasattr(config, "builder_optimization_level"),
        # The other library has the flag too, and not the lean runtime that such a plan must hold.
        version_compatible=hasattr(trt.BuilderFlag, "VERSION_COMPATIBLE") and name == "tensorrt",
        dla=hasattr(config, "DLA_core") and name == "tensorrt",
        engine_validity=hasattr(trt.Runtime, "get_engine_validity"),
    )


def _make_logger(trt: Any) -> Any:
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.WARNING,
        severity.INFO: logging.INFO,
    }

    class Logger(trt.ILogger):  # type: ignore[misc]
        """Hands the library's messages to Python's logging, and keeps its latest errors."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
            self._lock = threading.Lock()

        def log(self, severity: Any, msg: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            if level == logging.ERROR:
                with self._lock:
                    self._errors.append(msg.strip())
            if level > logging.DEBUG:
                log.log(level, "%s", msg.strip())

        def take_errors(self) -> str:
            """The errors since the last call, joined; empty where there were none."""
            with self._lock:
                said = "; ".join(dict.fromkeys(self._errors))
                self._errors.clear()
            return said

    return Logger()
