"""Room on the disk of the build folder: asked for before it is needed, and what to say where writing fails."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from mlperf_registry.schema.problem import NotReady

_SPARE_BYTES = 64 << 20
_CURES = {
    errno.ENOSPC: "Free room there and try again.",
    errno.EDQUOT: "Free room there and try again.",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f), or choose another folder with --build-dir.",
}


def require_room(path: Path, *, what: str = "a run's logs", size: int = 0) -> None:
    """Check that what is written will fit: LoadGen says nothing of a full disk, and engine libraries blame the model.

    Args:
        path: a folder on the disk.
        what: what is to be written, for the error.
        size: bytes that it takes beyond 64 MiB.

    Raises:
        NotReady: when fewer are free.
    """
    free, needed = shutil.disk_usage(path).free, _SPARE_BYTES + size
    if free < needed:
        raise NotReady(
            f"The disk of {path} has {free >> 20} MiB free, and {what} may take {needed >> 20}: free some, or choose "
            "another folder with --build-dir."
        )


def not_written(path: Path, error: OSError) -> NotReady:
    """What to say, and to do, when ``path`` below the build folder cannot be written."""
    cure = _CURES.get(error.errno or 0, "Choose another folder with --build-dir.")
    return NotReady(f"{path} cannot be written: {error.strerror or error}. {cure}")
