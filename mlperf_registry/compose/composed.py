"""Composed: the values of one cell as a plain tree, and for each the chain of files and overrides that set it.

Made by Hydra or by the matrix; both must give equal trees and equal chains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from mlperf_registry.compose.document import GENERATED, Document
from mlperf_registry.compose.tree import Leaf, Path, Tree, find, leaves_of, nested, overlay, walk


@attrs.frozen
class Setting:
    """One link of a chain: who set the value, and to what, as written there."""

    origin: str
    """A file, ``override:<text>``, ``default: <why>`` for a choice made for the user, ``plug-in <name>`` for
    what a backend claims, or ``field default``."""
    line: int | None
    """1-based line of a file."""
    value: Any


@attrs.frozen
class Choice:
    """An option or value that the registry chose, since the user did not."""

    key: str
    option: str
    why: str

    @property
    def text(self) -> str:
        """As an override."""
        return f"{self.key}={self.option}"

    @property
    def origin(self) -> str:
        """As provenance names it."""
        return f"default: {self.why}"


@attrs.frozen(eq=False)
class Layer:
    """What one option or override contributes: leaves, and the parts they were merged from, weakest first."""

    tree: Tree
    parts: tuple[Tree, ...]
    removes: Path | None = None
    """The path that an override ``~path`` takes away."""

    @classmethod
    def of(cls, document: Document, package: Path = (), *, without: str | None = None) -> Layer:
        """The layer of a document, less the section ``without``, at ``package``."""
        sections = {key: value for key, value in document.tree.items() if key != without}
        tree = nested(package, leaves_of(sections, document))
        return cls(tree, (tree,))

    @classmethod
    def value(cls, origin: str, path: Path, value: Any) -> Layer:
        """The layer of an override of one path."""
        tree = leaves_of(nested(path, value), Document(origin, {}))
        return cls(tree, (tree,))

    @classmethod
    def removal(cls, origin: str, path: Path) -> Layer:
        """The layer of an override ``~path``."""
        tree = nested(path, Leaf(None, Document(origin, {}), path))
        return cls(tree, (tree,), path)


def stack(layers: Iterable[Layer]) -> Tree:
    """All layers of a cell that Hydra composed, merged: a tree of the leaves that won."""
    tree: Tree = {}
    for layer in layers:
        tree = overlay(tree, layer.tree, strict=False)
        if layer.removes is not None:
            tree = _without(tree, layer.removes)
    return tree


@attrs.frozen(eq=False)
class Composed:
    """One composed configuration. Trees may be shared between cells: they are not to be changed."""

    tree: Mapping[str, Any]
    """Plain nested values; interpolations resolved, nulls dropped."""
    choices: Mapping[str, str | None]
    """Group to option, as composed."""
    chosen: tuple[Choice, ...]
    """What was chosen for the user."""
    layers: tuple[Layer, ...]
    """Everything that contributed, weakest first."""
    leaves: Tree = attrs.field(repr=False)
    """The leaves that won, nulls included."""

    def chain(self, path: str | Sequence[str]) -> tuple[Setting, ...]:
        """Who set the value at ``path``, oldest first; the last one holds. Empty where no one did."""
        keys = _keys(path)
        settings = []
        for layer in self.layers:
            for part in layer.parts:
                node = find(part, keys)
                first = _first(node)
                if first is not None:
                    settings.append(Setting(first.origin, first.line, _written(node)))
        return tuple(settings)

    def origin(self, path: Sequence[str]) -> tuple[str | None, int | None]:
        """File or override, and line, of the value at ``path``, of the one it lies in, or of the first inside it."""
        first = _first(find(self.leaves, _keys(path)))
        return (None, None) if first is None else (first.origin, first.line)


def _keys(path: str | Sequence[str]) -> Path:
    return tuple(path.split(".")) if isinstance(path, str) else tuple(path)


def _first(node: Any) -> Leaf | None:
    """The first leaf at or in a node that someone wrote."""
    leaves = (leaf for _, leaf in walk(node)) if isinstance(node, dict) else [node] if node is not None else []
    return next((leaf for leaf in leaves if leaf.origin != GENERATED), None)


def _written(node: Any) -> Any:
    return {key: _written(child) for key, child in node.items()} if isinstance(node, dict) else node.value


def _without(tree: Tree, path: Path) -> Tree:
    head, *rest = path
    if not rest:
        return {key: value for key, value in tree.items() if key != head}
    return {**tree, head: _without(tree[head], tuple(rest))}
