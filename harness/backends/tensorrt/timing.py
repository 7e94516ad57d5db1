"""The timing cache: how fast each kernel was, kept between builds for one device, share of it, library and precision.

It makes the second build of a kind quick. A cache that the library refuses is dropped, and the build goes on without.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from harness.backends.tensorrt.library import Library
from mlperf_registry.atomic import write_bytes

log = logging.getLogger("mlperf.tensorrt")


class TimingCache:
    """The cache of one kind of build, as a file in ``folder``."""

    def __init__(self, folder: Path, library: Library, device: str, precision: str, share: int | None = None) -> None:
        """Name the file.

        Args:
            folder: where it lies.
            library: who times.
            device: what is timed on.
            precision: lowest number format of the kernels.
            share: of the GPU's multiprocessors, in percent; None for all of them.
        """
        kind = f"{library.title} {device} {precision}{'' if share is None else f' {share} %'}"
        self.path = folder / f".timing-{hashlib.sha256(kind.encode()).hexdigest()[:16]}.cache"
        self._cache: Any = None
        self._kept = False

    @property
    def used(self) -> bool:
        """Whether the build began with timings of an earlier one."""
        return self._cache is not None and self._kept

    def attach(self, config: Any) -> None:
        """Give a build configuration the kept timings, or an empty cache to fill."""
        content = b""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("The timing cache %s cannot be read: %s", self.path, error)
        for kept in (content, b"") if content else (b"",):
            cache = config.create_timing_cache(kept)
            if cache is not None and config.set_timing_cache(cache, False):
                # The configuration does not own it: it must live until the build is over.
                self._cache, self._kept = cache, bool(kept)
                return
            log.warning("The library refuses the timing cache %s: building without.", self.path)

    def drop(self) -> None:
        """Forget a cache that a build failed with."""
        self._cache = None
        self.path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Write what the build has timed; a cache that cannot be written costs the next build time, no more."""
        content = None if self._cache is None else self._cache.serialize()
        if content is None:
            return
        try:
            write_bytes(self.path, bytes(content))
        except OSError as error:
            log.warning("The timing cache %s cannot be written: %s", self.path, error)
