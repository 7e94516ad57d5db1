"""EngineFile: what the builder of an in-process LLM engine leaves in the cache, for the runner to load the model by.

Such engines compile while they load, so a build decides arguments and writes them down; nothing of the checkpoint is
copied.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.problem import NotReady

ENGINE_FILE = "engine.json"


@attrs.frozen(kw_only=True)
class EngineFile:
    """Content of engine.json."""

    checkpoint: str
    """Folder to load: the checkpoint's, absolute, or one below the engine's own, relative."""
    checkpoint_sha256: str
    """Digest of the checkpoint, as the engine key has it."""
    arguments: dict[str, Any]
    """Arguments of the engine library, by its names; the folder to load is not among them."""

    def write(self, folder: Path) -> str:
        """Write the file into ``folder`` and return its name."""
        (folder / ENGINE_FILE).write_text(json.dumps(attrs.asdict(self), indent=1) + "\n", encoding="utf-8")
        return ENGINE_FILE

    @classmethod
    def read(cls, engine: Engine) -> EngineFile:
        """The file of an engine; the folder to load is absolute.

        Raises:
            NotReady: when it is missing or damaged, or the checkpoint is no longer where it was.
        """
        path = Path(engine.path, engine.file)
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise NotReady(
                f"The engine {path} cannot be read ({error}): build it again with `mlperf build`."
            ) from error
        folder = path.parent / found.checkpoint
        if not folder.is_dir():
            raise NotReady(
                f"The checkpoint {folder} is no longer there. If it was moved, set model.path and build again with "
                "builder.force_build_engines=true."
            )
        return attrs.evolve(found, checkpoint=str(folder))
