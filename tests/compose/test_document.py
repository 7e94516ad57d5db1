"""Our loader and OmegaConf's read every file alike, so that the matrix and Hydra start from the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.plugins.config_source import ConfigSource
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlperf_registry.compose.document import load_yaml
from mlperf_registry.schema.problem import ConfigError

Write = Callable[[Mapping[str, str]], Path]

AWKWARD = """
exponent: 1e3
signed: +1E-2
plain: 1.5
dotted: .5
sexagesimal: 12:30
sexagesimal_float: 12:30.5
underscored: 1_000
octal: 010
hexadecimal: 0x1F
infinite: .inf
truth: on
falsehood: off
answer: yes
tilde: ~
empty:
date: 2024-01-31
quoted: "1e3"
text: 7GiB
list: [1e3, off, null]
nested: {a: {b: 1e-3}}
"""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet="abcz019._-+:eE xy", max_size=8),
)
words = st.text(alphabet="abcxyz_", min_size=1, max_size=4)
trees = st.dictionaries(
    words,
    st.recursive(
        scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3))
    ),
    max_size=4,
)
raw_scalars = st.text(alphabet="0123456789.eE+-_:xoOnNfFyYsStTrRuUaAlL~", min_size=1, max_size=7)


def by_omegaconf(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path))


def same(left: Any, right: Any) -> bool:
    """Equal in type too: 1 is neither 1.0 nor True."""
    return repr(left) == repr(right)


def test_awkward_scalars_read_as_omegaconf_reads_them(write: Write) -> None:
    path = write({"a.yaml": AWKWARD}) / "a.yaml"
    assert same(load_yaml(path).tree, by_omegaconf(path))


@settings(max_examples=150, deadline=None)
@given(tree=trees)
def test_dumped_trees_read_alike(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("trees") / "tree.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert same(load_yaml(path).tree, by_omegaconf(path))


@settings(max_examples=300, deadline=None)
@given(value=raw_scalars)
def test_bare_scalars_read_alike(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.mktemp("scalars") / "scalar.yaml"
    path.write_text(f"key: {value}\n", encoding="utf-8")
    try:
        expected = by_omegaconf(path)
    except Exception:
        with pytest.raises(ConfigError):
            load_yaml(path)
    else:
        assert same(load_yaml(path).tree, expected)


def test_every_shipped_file_reads_alike(checkout: Path) -> None:
    paths = sorted((checkout / "conf").rglob("*.yaml"))
    assert paths
    for path in paths:
        assert same(load_yaml(path).content, by_omegaconf(path)), path


def test_a_key_twice_is_an_error_with_its_line(write: Write) -> None:
    path = write({"a.yaml": "a: 1\nb: {c: 1,\n    c: 2}\n"}) / "a.yaml"
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, "conf/a.yaml")
    (problem,) = caught.value.problems
    assert "'c' is there twice" in problem.message
    assert (problem.origin, problem.line) == ("conf/a.yaml", 3)


@pytest.mark.parametrize(
    "text", ["a: [1", "- 1\n- 2\n", "just text", "a: !!python/object/apply:os.getcwd []", "a: &x [*x]\x00"]
)
def test_what_is_no_mapping_of_values_is_an_error(write: Write, text: str) -> None:
    path = write({"a.yaml": text}) / "a.yaml"
    with pytest.raises(ConfigError):
        load_yaml(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path / "absent.yaml")


def test_lines_are_those_of_the_keys(write: Write) -> None:
    text = "# @package _global_\na:\n  b: 1\n  c: {d: 2}\n\ne: 3\n"
    document = load_yaml(write({"a.yaml": text}) / "a.yaml")
    assert document.lines == {("a",): 2, ("a", "b"): 3, ("a", "c"): 4, ("a", "c", "d"): 4, ("e",): 6}


@pytest.mark.parametrize(
    "header",
    [
        "# @package _global_",
        "\n#@package x.y",
        "a: 1\n# @package _global_",
        "# hello\n# @package _global_",
        "# @other x\n# @package z",
    ],
)
def test_the_header_is_read_as_hydra_reads_it(write: Write, header: str) -> None:
    text = f"{header}\nb: 1\n"
    document = load_yaml(write({"a.yaml": text}) / "a.yaml")
    assert document.package == ConfigSource._get_header_dict(text)["package"]


def test_the_defaults_list_is_no_value(write: Write) -> None:
    document = load_yaml(write({"a.yaml": "defaults: [_self_]\na: 1\n"}) / "a.yaml")
    assert document.defaults == ["_self_"]
    assert document.tree == {"a": 1}
    assert document.content == {"defaults": ["_self_"], "a": 1}
