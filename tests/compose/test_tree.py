"""Merging, references and nulls agree with OmegaConf on every tree inside the dialect, and say so outside it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlperf_registry.compose.document import Document
from mlperf_registry.compose.tree import Finisher, OutsideDialect, Tree, leaves_of, overlay, walk, without_nulls
from mlperf_registry.schema.problem import ConfigError

words = st.sampled_from(["a", "b", "c", "d"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(-2, 2), st.sampled_from(["", "x", "7GiB"]))
values = st.one_of(scalars, st.lists(scalars, max_size=2))
trees = st.dictionaries(
    words, st.recursive(values, lambda inner: st.dictionaries(words, inner, max_size=3)), max_size=4
)
references = st.one_of(
    st.builds("${{{}}}".format, words),
    st.builds("${{{}.{}}}".format, words, words),
    st.builds("x-${{{}.{}}}-${{{}}}".format, words, words, words),
)
referring = st.dictionaries(
    words,
    st.recursive(
        st.one_of(values, references, st.lists(references, max_size=2)),
        lambda inner: st.dictionaries(words, inner, max_size=3),
    ),
    max_size=4,
)


def leaves(tree: dict[str, Any], origin: str = "x") -> Tree:
    return leaves_of(tree, Document(origin, tree))


def written(tree: Tree) -> dict[str, Any]:
    return {key: written(node) if isinstance(node, dict) else node.value for key, node in tree.items()}


def same(left: Any, right: Any) -> bool:
    """Equal in type too, whatever the order of keys."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return repr(left) == repr(right)


@settings(max_examples=500, deadline=None)
@given(layers=st.lists(trees, min_size=2, max_size=4))
def test_merging_is_omegaconfs(layers: list[dict[str, Any]]) -> None:
    merged: Tree = {}
    try:
        for layer in layers:
            merged = overlay(merged, leaves(layer))
    except OutsideDialect:
        with pytest.raises((OmegaConfBaseException, TypeError)):
            OmegaConf.merge({}, *layers)
        return
    assert same(written(merged), OmegaConf.to_container(OmegaConf.merge({}, *layers)))


@settings(max_examples=200, deadline=None)
@given(base=trees, top=trees)
def test_merging_changes_neither_tree(base: dict[str, Any], top: dict[str, Any]) -> None:
    below, above = leaves(base), leaves(top)
    with suppress(OutsideDialect):
        overlay(below, above)
    assert same(written(below), base)
    assert same(written(above), top)


@settings(max_examples=200, deadline=None)
@given(base=trees, top=trees)
def test_each_leaf_knows_who_won(base: dict[str, Any], top: dict[str, Any]) -> None:
    above = leaves(top, "top")
    try:
        merged = overlay(leaves(base, "base"), above)
    except OutsideDialect:
        assume(False)
    won = dict(walk(above))
    for path, leaf in walk(merged):
        assert leaf.origin == ("top" if path in won else "base")


@settings(max_examples=800, deadline=None)
@example(layers=[{"a": "${b}", "b": {}}, {"a": []}])
@given(layers=st.lists(referring, min_size=1, max_size=3))
def test_references_and_nulls_are_omegaconfs(layers: list[dict[str, Any]]) -> None:
    merged: Tree = {}
    try:
        for layer in layers:
            merged = overlay(merged, leaves(layer))
        plain = Finisher().plain(merged)
    except OutsideDialect:
        return
    assert same(plain, without_nulls(OmegaConf.to_container(OmegaConf.merge({}, *layers), resolve=True)))


def test_references_of_the_dialect_are_resolved() -> None:
    tree = {
        "a": {"b": 3, "n": None, "on": True},
        "whole": "${a}",
        "leaf": "${a.b}",
        "text": "${a.b}/${a.n}/${a.on}",
        "chain": ["${leaf}"],
    }
    assert Finisher().plain(leaves(tree)) == {
        "a": {"b": 3, "on": True},
        "whole": {"b": 3, "on": True},
        "leaf": 3,
        "text": "3/None/True",
        "chain": [3],
    }


@pytest.mark.parametrize(
    "value",
    ["${oc.env:HOME}", "${.b}", "${a.${b}}", r"\${a}", "${a", "${nowhere}", "${loop}", "${l.0}", [{"x": "${b}"}]],
)
def test_other_references_are_left_to_hydra(value: Any) -> None:
    with pytest.raises(OutsideDialect):
        Finisher().plain(leaves({"loop": value, "b": "a", "l": [1]}))


def test_a_finisher_remembers_branches_and_not_their_cells() -> None:
    finisher = Finisher()
    shared = leaves({"fixed": {"x": 1}, "moving": {"y": "${z}"}})
    assert finisher.plain({**shared, **leaves({"z": 1})})["moving"] == {"y": 1}
    assert finisher.plain({**shared, **leaves({"z": 2})})["moving"] == {"y": 2}


def test_keys_that_are_no_text_are_an_error() -> None:
    with pytest.raises(ConfigError, match="quote it"):
        leaves({"a": {99.9: 2}})
