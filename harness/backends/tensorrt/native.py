"""The compiled part of the runner, native.c: made by the C compiler of the machine on first use, and kept.

Loaded by ctypes, so that neither Python's headers nor CUDA's are needed; without a compiler Python does its work.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import attrs

from harness.backends.tensorrt.device import Steps
from mlperf_registry.roots import user_cache_folder

SOURCE = Path(__file__).with_name("native.c")
DRIVER = "libcuda.so.1"
_FLAGS = ("-O2", "-std=gnu99", "-shared", "-fPIC")
_COMPILE_S = 60


class Unavailable(Exception):
    """Why there is no compiled part, as a sentence."""


@attrs.frozen(eq=False)
class Native:
    """native.c, loaded. Python's lock is free while its functions run."""

    _library: Any
    copies_in_batches: bool
    """Whether the driver has cuMemcpyBatchAsync."""

    def run(self, steps: Steps) -> int:
        """Put steps on their streams; CUDA's error, 0 for none, for the step ``steps.failed``."""
        number: int = self._library.mlperf_run(*steps.call)
        return number

    def wait(self, event: int, *, spin: bool) -> int:
        """Wait for an event; CUDA's error, 0 for none."""
        number: int = self._library.mlperf_wait(event, spin)
        return number


def open_native(driver: str = DRIVER) -> Native:
    """Compile where needed, and load.

    Args:
        driver: NVIDIA's driver, by the name under which the loader finds it.

    Raises:
        Unavailable: when there is no compiler, it fails, or the driver lacks what is needed.
    """
    try:
        library = ctypes.CDLL(str(_compiled()))
    except OSError as error:
        raise Unavailable(f"The compiled part of the runner does not load ({error}).") from error
    library.mlperf_run.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    library.mlperf_wait.argtypes = (ctypes.c_uint64, ctypes.c_int)
    has_batch = ctypes.c_int(0)
    if library.mlperf_open(driver.encode(), ctypes.byref(has_batch)) != 0:
        raise Unavailable(f"The driver {driver} does not load, or lacks a function.")
    return Native(library, bool(has_batch.value))


def _compiled() -> Path:
    source = SOURCE.read_bytes()
    made_for = repr((_FLAGS, sys.platform, os.uname().machine)).encode()
    name = f"native-{hashlib.sha256(source + made_for).hexdigest()[:16]}.so"
    for folder in (user_cache_folder(os.environ), Path(tempfile.gettempdir(), f"mlperf-registry-{os.getuid()}")):
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if folder.stat().st_uid != os.getuid():
                continue  # what others may write is not loaded
            if path.is_file():
                return path
            handle, made = tempfile.mkstemp(dir=folder, suffix=".so")
            os.close(handle)
        except OSError:
            continue
        try:
            _compile(Path(made))
            Path(made).replace(path)  # whole or not at all, whoever else compiles
        finally:
            Path(made).unlink(missing_ok=True)
        return path
    raise Unavailable("No folder for the compiled part of the runner can be written: set XDG_CACHE_HOME to one.")


def _compile(target: Path) -> None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None)
    if compiler is None:
        raise Unavailable("There is no C compiler (cc, gcc or clang), so Python puts each copy on its stream.")
    command = [compiler, *_FLAGS, "-o", str(target), str(SOURCE), "-ldl"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{compiler} does not compile the runner's part: {error}.") from error
    if done.returncode:
        raise Unavailable(f"{compiler} does not compile the runner's part: {done.stderr.strip()[:300]}")
