"""check_users_system(): what only a user's own file can say wrongly of a system, against the shipped ones.

A system that nothing can match, or that replaces none, would be silent otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from mlperf_registry.compose.document import Document
from mlperf_registry.schema.nearest import meant, nearest
from mlperf_registry.schema.problem import ConfigError, Problem

_REPLACES = ("system", "replaces_shipped")
_GPU = ("system", "match", "accelerator", "gpu")
_IDENTIFYING = ("names", "name_patterns", "pci_ids")


def replaces_shipped(document: Document) -> bool:
    """Whether a user's file says that it stands in place of the shipped system of its name."""
    return _at(document, _REPLACES) is True


def check_users_system(
    option: str, document: Document, shipped: Collection[str], gpus: Callable[[], Collection[str]]
) -> None:
    """Check a user's file.

    Args:
        option: its system.
        document: the file.
        shipped: every system that is not the user's.
        gpus: gives the names by which those know accelerators.

    Raises:
        ConfigError: when it replaces a shipped system that there is not, or knows its GPU by an unknown name alone.
    """
    problems = [*_replaces_none(option, document, shipped), *_unknown_gpu(document, gpus)]
    if problems:
        raise ConfigError(problems)


def gpu_of(document: Document) -> str | None:
    """The name by which a system's file knows its accelerators."""
    found = _at(document, _GPU)
    return found if isinstance(found, str) else None


def _replaces_none(option: str, document: Document, shipped: Collection[str]) -> Iterator[Problem]:
    if replaces_shipped(document) and option not in shipped:
        hint = meant(option, shipped) or "remove it, or name file and id after a shipped system"
        yield _problem(document, _REPLACES, f"there is no shipped system {option!r} to replace", hint)


def _unknown_gpu(document: Document, gpus: Callable[[], Collection[str]]) -> Iterator[Problem]:
    gpu = gpu_of(document)
    rules = _at(document, _GPU[:-1])
    if gpu is None or any(rules.get(key) for key in _IDENTIFYING):
        return
    known = gpus()
    if gpu in known:
        return
    hint = f"{nearest(gpu, known)}; of a new GPU, write names or pci_ids beside it"
    yield _problem(document, _GPU, f"unknown GPU name {gpu!r}, and nothing else says how to recognise it", hint)


def _problem(document: Document, path: tuple[str, ...], message: str, hint: str) -> Problem:
    return Problem(".".join(path), message, document.origin, document.lines.get(path), hint)


def _at(document: Document, path: tuple[str, ...]) -> Any:
    node: Any = document.tree
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node
