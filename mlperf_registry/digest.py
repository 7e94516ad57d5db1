"""Digests: of a workload, what run.json, results and whoever compares them call the same configuration; of a file.

Below both who writes run.json and who reads it: a child refuses a file whose workload was changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure


def config_digest(workload: Workload) -> str:
    """SHA-256 of the canonical JSON of a workload."""
    return hashlib.sha256(json.dumps(unstructure(workload), sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
