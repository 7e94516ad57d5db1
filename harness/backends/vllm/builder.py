"""Builds engines for vLLM: the arguments that it loads a checkpoint with. It compiles by itself, at each start."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from harness.backends.vllm.arguments import engine_arguments
from harness.llm.engine_file import EngineFile
from mlperf_registry.schema.engine import Recipe


class VllmBuilder:
    """Turns a checkpoint's folder and the config into engine.json."""

    version: ClassVar[int] = 1
    """Part of the engine key; raised when the same recipe gives another engine."""

    def room(self, recipe: Recipe, model_bytes: int) -> int:
        """See BackendPlugin: none, since the engine only names its model."""
        return 0

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine into ``folder`` and return its file name.

        Raises:
            ConfigError, NotReady: as ``engine_arguments``.
        """
        return EngineFile(
            checkpoint=recipe.model_path,
            checkpoint_sha256=recipe.model_sha256,
            arguments=engine_arguments(recipe.values, Path(recipe.model_path)),
        ).write(folder)
