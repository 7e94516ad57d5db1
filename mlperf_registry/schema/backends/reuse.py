"""ReusesKvCache: options of a backend whose engine can let what it computed for one sample serve another."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class ReusesKvCache(Protocol):
    """What a backend's options offer, so that the rules see whether samples share the KV cache."""

    @property
    def kv_cache_reuse(self) -> str | None:
        """The option that lets them, by its path below ``backend.options``; None: each is computed whole."""
