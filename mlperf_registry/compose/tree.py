"""Trees of leaves: merging, interpolation and dropping nulls, exactly as OmegaConf does it for untyped configs.

A leaf remembers the document that set it, so that merging values and tracking where they come from are one operation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlperf_registry.compose.document import Document
from mlperf_registry.schema.problem import ConfigError, Problem

Path = tuple[str, ...]
Tree = dict[str, Any]
"""Nested dicts; in a tree of leaves, every value that is no dict is a Leaf. Trees are shared: never change one."""
Resolver = Callable[[Tree, tuple[Path, ...]], Any]
"""Takes the whole tree of leaves and the references being followed; returns a plain value."""

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*)\}")
_MISSING = "???"


class OutsideDialect(Exception):
    """What only Hydra itself can decide: environment, resolvers, relative references, merges that it refuses.

    Attributes:
        cause: the leaf or the document that only Hydra understands; None where it is not one alone.
    """

    def __init__(self, message: str, cause: Leaf | Document | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class Leaf:
    """One value as written, and where: ``path`` is its place inside ``document``."""

    __slots__ = ("document", "path", "resolver", "value")

    def __init__(self, value: Any, document: Document, path: Path) -> None:
        self.value = value
        self.document = document
        self.path = path
        self.resolver = _resolver(value)
        """Finds what the value's interpolations refer to; None for a value without any."""

    @property
    def origin(self) -> str:
        """The document's name."""
        return self.document.origin

    @property
    def line(self) -> int | None:
        """1-based line in the document; None where it is no file."""
        return self.document.lines.get(self.path)


def leaves_of(tree: Mapping[Any, Any], document: Document, path: Path = ()) -> Tree:
    """``tree`` with each value wrapped.

    Raises:
        ConfigError: for keys that are no text, such as 99.9 or on, and for OmegaConf's mark of a missing value.
    """
    wrapped: Tree = {}
    for key, value in tree.items():
        here = (*path, key)
        if type(key) is not str:
            line = document.lines.get((*path, str(key)))
            raise ConfigError(
                [Problem(".".join(map(str, here)), f"the key {key!r} is not text", document.origin, line, "quote it")]
            )
        if value == _MISSING:
            problem = Problem(
                ".".join(here), "??? is no value", document.origin, document.lines.get(here), "write null to unset"
            )
            raise ConfigError([problem])
        wrapped[key] = leaves_of(value, document, here) if type(value) is dict else Leaf(value, document, here)
    return wrapped


def overlay(base: Tree, top: Tree, *, strict: bool = True, merge: Callable[[Tree, Tree], Tree] | None = None) -> Tree:
    """``top`` merged over ``base``: dicts merge, all else replaces. Untouched branches are shared with both.

    Args:
        base: the weaker tree.
        top: the stronger one.
        strict: off where OmegaConf has merged already, and only who set what is asked.
        merge: takes this function's place for the branches that both have.

    Raises:
        OutsideDialect: where OmegaConf would refuse (a dict against a list) or look behind an interpolation, if strict.
    """
    merged = base.copy()
    for key, new in top.items():
        old = merged.get(key)
        if type(new) is dict:
            if type(old) is dict:
                new = overlay(old, new, strict=strict) if merge is None else merge(old, new)
            elif strict and old is not None and (old.resolver is not None or type(old.value) is list):
                raise OutsideDialect(f"{key}: a mapping over {old.value!r}")
        elif strict and type(new.value) is list and old is not None:
            if type(old) is dict:
                raise OutsideDialect(f"{key}: a list over a mapping", new)
            if old.resolver is not None:
                raise OutsideDialect(f"{key}: a list over {old.value!r}", new)
        merged[key] = new
    return merged


class Overlay:
    """``overlay`` that remembers how branches below the top merged: cells of one kind then share what came of it."""

    def __init__(self, remember: int = 20_000) -> None:
        self._remember = remember
        # Both branches are kept beside their result, so that their ids cannot be given to others.
        self._merged: dict[tuple[int, int], tuple[Tree, Tree, Tree]] = {}

    def __call__(self, base: Tree, top: Tree) -> Tree:
        """As ``overlay``."""
        return overlay(base, top, merge=self._branch)

    def _branch(self, base: Tree, top: Tree) -> Tree:
        key = (id(base), id(top))
        known = self._merged.get(key)
        if known is not None:
            return known[2]
        merged = overlay(base, top)
        if len(self._merged) >= self._remember:
            self._merged.clear()
        self._merged[key] = (base, top, merged)
        return merged


def nested(path: Path, node: Any) -> Tree:
    """The tree whose only value, at ``path``, is ``node``."""
    for key in reversed(path):
        node = {key: node}
    tree: Tree = node
    return tree


def find(tree: Tree, path: Path) -> Any:
    """The leaf or dict at ``path``; the leaf above it where the path goes on below one; None where nothing is."""
    node: Any = tree
    for key in path:
        if type(node) is not dict:
            return node
        node = node.get(key)
    return node


def holds(tree: Tree, path: Path) -> bool:
    """Whether something, be it null, is exactly at ``path``."""
    node: Any = tree
    for key in path:
        if type(node) is not dict or key not in node:
            return False
        node = node[key]
    return True


def walk(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """Each leaf with its path."""
    for key, node in tree.items():
        here = (*path, key)
        if type(node) is dict:
            yield from walk(node, here)
        else:
            yield here, node


def plain_paths(tree: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each value of a plain tree with its path; an empty mapping is a value."""
    for key, value in tree.items():
        here = (*path, key)
        if isinstance(value, Mapping) and value:
            yield from plain_paths(value, here)
        else:
            yield here, value


def without_nulls(tree: Mapping[str, Any]) -> Tree:
    """A plain tree less its null values; a mapping that loses all stays, since a section may consist of defaults."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


class Finisher:
    """Turns trees of leaves into plain ones.

    Branches are remembered, since cells share them: a branch is then one object in all of them, and whoever reads it
    can tell that it was read before.
    """

    def __init__(self, remember: int = 20_000) -> None:
        self._remember = remember
        # Each node is kept beside its result, so that its id cannot be given to another.
        self._fixed: dict[int, tuple[Tree, Tree]] = {}
        self._filled: dict[tuple[Any, ...], tuple[Tree, Tree]] = {}

    def plain(self, tree: Tree) -> Tree:
        """Values with references resolved and nulls dropped.

        Raises:
            OutsideDialect: for a reference that is not a plain path to a value that is there.
        """
        return self._made(tree, tree)[0]

    def _branch(self, node: Tree, root: Tree) -> tuple[Tree, bool]:
        """The plain branch, and whether it is free of references."""
        known = self._fixed.get(id(node))
        if known is not None:
            return known[1], True
        plain, found = self._made(node, root)
        if found:
            return self._once(node, plain, found), False
        if len(self._fixed) >= self._remember:
            self._fixed.clear()
        self._fixed[id(node)] = (node, plain)
        return plain, True

    def _made(self, node: Tree, root: Tree) -> tuple[Tree, list[Any]]:
        """The plain branch, and what tells it from others of the same node: what its references led to."""
        plain: Tree = {}
        found: list[Any] = []
        for key, child in node.items():
            if type(child) is dict:
                plain[key], free = self._branch(child, root)
                if not free:
                    found.append(id(plain[key]))
            elif child.resolver is not None:
                value = _followed(child, root)
                found.append((type(value), value))
                if value is not None:
                    plain[key] = without_nulls(value) if type(value) is dict else value
            elif child.value is not None:
                plain[key] = child.value
        return plain, found

    def _once(self, node: Tree, plain: Tree, found: list[Any]) -> Tree:
        """The branch made of the node before, if its references led to the same values then."""
        key = (id(node), *found)
        try:
            known = self._filled.get(key)
        except TypeError:  # a reference to a list or a mapping, which cannot be looked up
            return plain
        if known is not None:
            return known[1]
        if len(self._filled) >= self._remember:
            self._filled.clear()
        self._filled[key] = (node, plain)
        return plain


def _followed(leaf: Leaf, root: Tree) -> Any:
    assert leaf.resolver is not None
    try:
        return leaf.resolver(root, ())
    except OutsideDialect as outside:
        raise OutsideDialect(str(outside), leaf) from outside


def _resolver(value: Any) -> Resolver | None:
    if type(value) is str:
        return _text_resolver(value) if "${" in value else None
    if type(value) is not list:
        return None
    resolvers = [_resolver(item) if type(item) is not dict else _mapping_resolver(item) for item in value]
    if not any(resolvers):
        return None
    pairs = list(zip(value, resolvers, strict=True))
    return lambda root, active: [item if find is None else find(root, active) for item, find in pairs]


def _mapping_resolver(value: Tree) -> Resolver | None:
    """For a mapping inside a list: rare, so that only the plain case is known."""
    return _refuse(str(value)) if "${" in str(value) else None


def _text_resolver(value: str) -> Resolver:
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        path = tuple(whole[1].split("."))
        return lambda root, active: _target(path, root, active)
    if "\\" in value or "${" in _REFERENCE.sub("", value):
        return _refuse(value)
    # Texts and the paths between them, in turn.
    pieces = _REFERENCE.split(value)
    texts, paths = pieces[::2], [tuple(name.split(".")) for name in pieces[1::2]]

    def fill(root: Tree, active: tuple[Path, ...]) -> str:
        filled = texts[0]
        for path, text in zip(paths, texts[1:], strict=True):
            found = _target(path, root, active)
            if not isinstance(found, (str, int, float, type(None))):
                raise OutsideDialect(f"{value!r} puts a {type(found).__name__} into text")
            filled += str(found) + text
        return filled

    return fill


def _refuse(value: str) -> Resolver:
    def refuse(root: Tree, active: tuple[Path, ...]) -> Any:
        raise OutsideDialect(f"{value!r} is more than paths and text")

    return refuse


def _target(path: Path, root: Tree, active: tuple[Path, ...]) -> Any:
    if path in active:
        raise OutsideDialect(f"{'.'.join(path)} refers to itself")
    node: Any = root
    for key in path:
        if type(node) is not dict or key not in node:
            raise OutsideDialect(f"{'.'.join(path)} leads nowhere, or through another reference")
        node = node[key]
    return _resolved(node, root, (*active, path))


def _resolved(node: Any, root: Tree, active: tuple[Path, ...]) -> Any:
    if type(node) is dict:
        return {key: _resolved(child, root, active) for key, child in node.items()}
    return node.value if node.resolver is None else node.resolver(root, active)
