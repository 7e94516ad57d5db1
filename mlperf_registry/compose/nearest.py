"""nearest(): the hint of every "unknown name" error, as the schema has it."""

from __future__ import annotations

from mlperf_registry.schema.nearest import nearest

__all__ = ["nearest"]
