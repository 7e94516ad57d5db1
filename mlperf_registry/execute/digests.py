"""Digests of large files, kept in the user's cache: a network of gigabytes is read once, not whenever it is named.

A file is known by where it lies, its size and its times; the time of its last change of any kind cannot be set back.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from mlperf_registry.atomic import write_text
from mlperf_registry.digest import sha256_of
from mlperf_registry.roots import user_cache_folder

LEAST = 16 << 20
"""Bytes of a file whose digest is worth keeping."""
_SETTLED_NS = 2_000_000_000
"""A file that was changed so lately may change again within one tick of the file system's clock."""


def kept_sha256(path: Path) -> str:
    """Hex digest of a file, from the cache where it was made before and the file has stayed.

    Raises:
        OSError: when the file cannot be read.
    """
    now = path.stat()
    if now.st_size < LEAST:
        return sha256_of(path)
    identity = f"{path.resolve()} {now.st_dev} {now.st_ino} {now.st_size} {now.st_mtime_ns} {now.st_ctime_ns}"
    kept = user_cache_folder(os.environ) / "digests" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    with contextlib.suppress(OSError):
        text = kept.read_text(encoding="utf-8", errors="replace")
        if re.fullmatch("[0-9a-f]{64}", text):
            return text
    digest = sha256_of(path)
    if time.time_ns() - max(now.st_mtime_ns, now.st_ctime_ns) > _SETTLED_NS:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, no more
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_text(kept, digest)
    return digest
