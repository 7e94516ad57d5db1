"""Owned values: those that say which option was chosen, such as system.id. Only the option's own file may set them.

Results are filed under these names, and rules, tuned values and engines follow the option: both must be one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlperf_registry.compose.ancestry import ancestors
from mlperf_registry.compose.composed import Composed
from mlperf_registry.compose.document import GENERATED, Document
from mlperf_registry.compose.library import Library
from mlperf_registry.compose.tree import Leaf, Path, find, walk
from mlperf_registry.schema.problem import ConfigError, Problem

OWNED: Mapping[str, Path] = {
    "system": ("system", "id"),
    "benchmark": ("benchmark", "id"),
    "scenario": ("scenario", "name"),
    "accuracy_target": ("accuracy_target", "name"),
    "power_setting": ("power_setting", "name"),
    "harness": ("harness", "name"),
    "backend": ("backend", "name"),
    "mode": ("mode", "name"),
    "tuned_round": ("tuned_round",),
}
"""Group to the value that names its option."""
_BASE: Path = ("system", "base")


def usurped(library: Library, composed: Composed) -> Iterator[Problem]:
    """Each owned value that something other than the file of the chosen option set to something else."""
    for group, path in OWNED.items():
        option = composed.choices.get(group)
        leaf = find(composed.leaves, path)
        if option is None or type(leaf) is not Leaf:
            continue
        own = library.document(group, option)
        if own is None or leaf.document is own or leaf.origin == GENERATED:
            continue
        expected = _said(own, path)
        if leaf.value == expected or any(leaf.document is one for one in ancestors(library, group, option)):
            continue
        message = f"{leaf.value!r} is not what {group}={option} says of itself"
        yield Problem(".".join(path), message, leaf.origin, leaf.line, _cure(library, group, leaf.value))
    yield from _late_bases(library, composed)


def _late_bases(library: Library, composed: Composed) -> Iterator[Problem]:
    """What something other than the system's file says of its base: too late, tuned values are taken over by then."""
    said = find(composed.leaves, _BASE)
    if type(said) is not dict:
        return
    own = list(ancestors(library, "system", composed.choices.get("system") or ""))
    for path, leaf in walk(said, _BASE):
        if leaf.value is not None and leaf.origin != GENERATED and not any(leaf.document is one for one in own):
            message = "is settled before tuned values are looked up"
            hint = "write it into the file of a system of your own"
            yield Problem(".".join(path), message, leaf.origin, leaf.line, hint)


def _cure(library: Library, group: str, value: Any) -> str:
    for option in library.options(group):
        try:
            document = library.document(group, option)
        except ConfigError:
            continue  # its own problem, told when it is chosen
        if document is not None and str(value) in (option, _said(document, OWNED[group])):
            return f"choose {group}={option}"
    return f"remove it; {group}=... chooses another"


def _said(document: Document, path: Path) -> Any:
    """What a file says at ``path``; a file without a header speaks of its own section."""
    node: Any = document.tree
    for key in path if document.package == "_global_" else path[1:]:
        node = node.get(key) if isinstance(node, dict) else None
    return node
