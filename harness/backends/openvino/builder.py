"""Builds an engine for OpenVINO: the model of a GGUF file as OpenVINO's own, so that a run starts in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from harness.backends.openvino.library import import_openvino
from harness.backends.openvino.network import make_network
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import RunFailed

GRAPH_FILE = "openvino_model.xml"
WEIGHTS_FILE = "openvino_model.bin"


class OpenVINOBuilder:
    """Turns a GGUF file into an OpenVINO model."""

    version: ClassVar[int] = 1
    """Part of the engine key; raised when the same recipe gives another engine."""

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine into ``folder`` and return the name of its weights' file.

        Raises:
            NotReady: when openvino is absent, or the model is none that is read; see ``make_network``.
            RunFailed: when the engine cannot be written.
        """
        network = make_network(Path(recipe.model_path))
        try:
            import_openvino().save_model(network, str(folder / GRAPH_FILE), compress_to_fp16=False)
        except RuntimeError as error:
            raise RunFailed(f"OpenVINO cannot write an engine to {folder}: {error}") from error
        return WEIGHTS_FILE
