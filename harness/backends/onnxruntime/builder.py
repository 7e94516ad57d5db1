"""Builds an engine for ONNX Runtime: the model after graph optimisation, so that a run spends no time on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from harness.backends.onnxruntime.library import import_onnxruntime
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError, Problem, RunFailed

ENGINE_FILE = "engine.onnx"
_LEVELS = {"basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED", "full": "ORT_ENABLE_ALL"}
_ERRORS_ONLY = 3
"""Log severity: ``full`` optimises for this processor alone, which ONNX Runtime warns of and the engine key says."""


class OnnxRuntimeBuilder:
    """Turns an ONNX model into an optimised one for the CPU."""

    version: ClassVar[int] = 1
    """Part of the engine key; raised when the same recipe gives another engine."""

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine into ``folder`` and return its file name.

        Raises:
            ConfigError: for a precision that this backend does not build.
            NotReady: when onnxruntime is absent.
            RunFailed: when the model cannot be loaded or optimised.
        """
        _check_precision(recipe.values["builder.precision"])
        model, engine = Path(recipe.model_path), folder / ENGINE_FILE
        level = recipe.values["backend.options.graph_optimization"]
        if level == "disabled":
            shutil.copyfile(model, engine)
            return ENGINE_FILE
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[level])
        options.optimized_model_filepath = str(engine)
        options.log_severity_level = _ERRORS_ONLY
        try:
            onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RunFailed(f"ONNX Runtime cannot build an engine from {model}: {error}") from error
        return ENGINE_FILE


def _check_precision(precision: object) -> None:
    # Stored per component, handed over as one value where there is one engine.
    named = set(precision.values()) if isinstance(precision, dict) else {precision}
    if named != {"fp32"}:
        message = f"is {', '.join(sorted(map(str, named)))}, and the backend onnxruntime runs fp32 only"
        raise ConfigError([Problem("builder.precision", message, hint="builder.precision=fp32")])
