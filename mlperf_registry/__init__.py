"""A typed registry of MLPerf Inference configurations, composed by Hydra and checked by the rules of each round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlperf_registry.registry import Registry

__all__ = ["Registry", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazily: the command line imports this package for each of its verbs, most of which need no registry at once.
    if name == "Registry":
        from mlperf_registry.registry import Registry

        return Registry
    raise AttributeError(name)
