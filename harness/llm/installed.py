"""Imports what only language models need, and says how to install what is absent."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from mlperf_registry.schema.problem import NotReady


def import_extra(module: str) -> ModuleType:
    """A module that the extra ``llm`` installs.

    Raises:
        NotReady: when it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise NotReady(
            f"Language models need {package}, not installed here ({error}): pip install 'mlperf-registry[llm]'"
        ) from error
