"""The engine library of networks: ACME's runner around ONNX files, for benchmarks that ACME did not write."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

import onnxruntime

from acme_mlperf.engine import AcmeRunner, Engine
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.run import Run

ENGINE_FILE = "network.onnx"


class NetworkBuilder:
    """Takes the network as it is."""

    version: ClassVar[int] = 1

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine into ``folder`` and return its file name."""
        shutil.copyfile(recipe.model_path, folder / ENGINE_FILE)
        return ENGINE_FILE


class NetworkRunner(AcmeRunner):
    """As its base, with a network for an engine."""

    def load(self, run: Run) -> Engine:
        """The engine of a run."""
        network = onnxruntime.InferenceSession(Path(run.engine.path, run.engine.file))
        model = run.workload.model
        return lambda samples: network.run([model.output_name], {model.input_name: samples})[0]
