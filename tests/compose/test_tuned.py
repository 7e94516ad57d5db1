"""Tuned values: which variants exist, what each holds, how layers apply, and that no name in a file is idle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlperf_registry.compose.library import Library
from mlperf_registry.compose.tree import Tree
from mlperf_registry.compose.tuned import Tuned, TunedCell
from mlperf_registry.compose.tuned_file import Vocabulary, variant_of
from mlperf_registry.schema.problem import ConfigError

OPTIONS = (("k_95", "k_99", "k_99_9"), ("native", "triton"), ("maxp", "maxq"))
CELL = "v1/sys/bench/offline"
Write = Callable[[Mapping[str, str]], Path]


def open_tuned(*folders: Path) -> Tuned:
    return Tuned(folders, Vocabulary(OPTIONS, ("tensorrt", "onnxruntime")))


def written(tree: Tree | None) -> Any:
    assert tree is not None
    return {key: written(node) if isinstance(node, dict) else node.value for key, node in tree.items()}


def test_layers_apply_from_shared_to_cell_and_from_few_names_to_many(write: Write) -> None:
    shared = "{a: 1, b: 1, c: 1, d: 1, when: {maxq: {b: 2, c: 2, d: 2}}}"
    cell = """
tuned_for: [plain, maxq, k_99_9, k_99_9+maxq]
backends: [tensorrt]
c: 3
d: 3
when:
  k_99_9+maxq: {d: 6, e: 6}
  maxq: {d: 4}
  k_99_9: {e: 5}
"""
    tuned = open_tuned(write({"v1/_shared/bench/offline.yaml": shared, f"{CELL}.yaml": cell}))
    assert written(tuned.merged(f"{CELL}/k_99+native+maxp+tensorrt")) == {"a": 1, "b": 1, "c": 3, "d": 3}
    assert written(tuned.merged(f"{CELL}/k_99+native+maxq+tensorrt")) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert written(tuned.merged(f"{CELL}/k_99_9+native+maxq+tensorrt")) == {"a": 1, "b": 2, "c": 3, "d": 6, "e": 6}


def test_only_published_variants_and_their_backends_exist(write: Write) -> None:
    tuned = open_tuned(write({f"{CELL}.yaml": "{tuned_for: [plain, triton], backends: [tensorrt], a: 1}"}))
    assert set(tuned.options()) == {f"{CELL}/k_99+native+maxp+tensorrt", f"{CELL}/k_99+triton+maxp+tensorrt"}
    for absent in ("k_99+native+maxq+tensorrt", "k_99+native+maxp+onnxruntime", "plain", "a+b"):
        assert tuned.layers(f"{CELL}/{absent}") is None
    assert tuned.layers("elsewhere") is None


def test_shared_values_alone_make_no_cell(write: Write) -> None:
    tuned = open_tuned(write({"v1/_shared/bench/offline.yaml": "{a: 1}"}))
    assert tuned.cells == ()
    assert tuned.layers(f"{CELL}/k_99+native+maxp+tensorrt") is None


def test_a_file_without_tuned_for_is_published_plain(write: Write) -> None:
    tuned = open_tuned(write({f"{CELL}.yaml": "{backends: [tensorrt], a: 1}"}))
    assert list(tuned.options()) == [f"{CELL}/k_99+native+maxp+tensorrt"]


def test_a_users_file_replaces_a_shipped_one_and_keeps_the_shared_values(write: Write) -> None:
    root = write(
        {
            f"mine/{CELL}.yaml": "{backends: [tensorrt], a: mine}",
            f"ours/{CELL}.yaml": "{backends: [tensorrt], a: ours, b: ours}",
            "ours/v1/_shared/bench/offline.yaml": "{c: shared}",
        }
    )
    tuned = open_tuned(root / "mine", root / "ours")
    assert written(tuned.merged(f"{CELL}/k_99+native+maxp+tensorrt")) == {"c": "shared", "a": "mine"}


@pytest.mark.parametrize(
    ("text", "path", "line", "said"),
    [
        ("backends: [tensorrt]\nwhen:\n  maxqq: {a: 1}\n", "when.maxqq", 3, "did you mean maxq?"),
        ("backends: [tensorrt]\ntuned_for: [plain, maxqq]\n", "tuned_for", 2, "did you mean maxq?"),
        ("backends: [tensort]\n", "backends", 1, "did you mean tensorrt?"),
        ("backends: [tensorrt]\nwhen: {maxq: {a: 1}}\n", "when.maxq", 2, "applies to no variant"),
        ("backends: [tensorrt]\ntuned_for: [plain, maxq]\nwhen: {maxq: 3}\n", "when.maxq", 3, "must hold values"),
        ("backends: [tensorrt]\nwhen: [maxq]\n", "when", 2, "must map names"),
        ("backends: tensorrt\n", "backends", 1, "must be a list of names"),
        ("a: 1\n", "backends", None, "is missing: the engine libraries that the values are for"),
        ("a: 1\n", "backends", None, "with one or more of tensorrt, onnxruntime"),
        ("tuned_for: plain\nbackends: [tensorrt]\n", "tuned_for", 1, "write tuned_for: [...] with plain"),
        ("backends: [tensorrt]\ndefaults: [x]\n", "defaults", 2, "holds values only"),
        ("backends: [tensorrt]\ntuned_for: [maxq+k_99_9]\n", "tuned_for", 2, "write k_99_9+maxq"),
    ],
)
def test_an_idle_or_unknown_name_is_an_error_with_its_line(
    write: Write, text: str, path: str, line: int, said: str
) -> None:
    tuned = open_tuned(write({f"{CELL}.yaml": text}))
    with pytest.raises(ConfigError) as caught:
        list(tuned.options())
    problem = caught.value.problems[0]
    assert (problem.path, problem.line) == (path, line)
    assert said in str(problem)


def test_every_problem_of_a_file_is_reported_at_once(write: Write) -> None:
    tuned = open_tuned(write({f"{CELL}.yaml": "{tuned_for: [pain], backends: [tensort], when: {maxqq: {a: 1}}}"}))
    with pytest.raises(ConfigError) as caught:
        list(tuned.options())
    assert [problem.path for problem in caught.value.problems] == ["tuned_for", "backends", "when.maxqq"]


def test_a_file_at_the_wrong_depth_is_an_error(write: Write) -> None:
    with pytest.raises(ConfigError, match="wrong depth"):
        _ = open_tuned(write({"v1/sys/offline.yaml": "{}"})).cells


NAMES = ["maxq", "k_99_9", "triton"]
layers = st.dictionaries(
    st.sampled_from("abc"),
    st.one_of(st.integers(0, 9), st.dictionaries(st.sampled_from("xy"), st.integers(0, 9), max_size=2)),
)
deltas = st.dictionaries(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(lambda names: "+".join(sorted(names))),
    layers,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(shared=layers, shared_when=deltas, cell=layers, cell_when=deltas, chosen=st.sets(st.sampled_from(NAMES)))
def test_a_variant_is_the_merge_of_what_holds_for_it(
    tmp_path_factory: pytest.TempPathFactory,
    shared: dict[str, Any],
    shared_when: dict[str, Any],
    cell: dict[str, Any],
    cell_when: dict[str, Any],
    chosen: set[str],
) -> None:
    root = tmp_path_factory.mktemp("tuned")
    every = [
        variant_of(target, harness, power)
        for target in ("k_99", "k_99_9")
        for harness in OPTIONS[1]
        for power in OPTIONS[2]
    ]
    for system, tree in (
        ("_shared", {**shared, "when": shared_when}),
        ("sys", {**cell, "when": cell_when, "tuned_for": every, "backends": ["tensorrt"]}),
    ):
        path = root / "v1" / system / "bench" / "offline.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    expected = []
    for plain, when in ((shared, shared_when), (cell, cell_when)):
        holding = [key for key in when if set(key.split("+")) <= chosen]
        expected += [plain, *(when[key] for key in sorted(holding, key=lambda key: key.count("+")))]
    spelled = "+".join(
        name if name in chosen else other
        for name, other in (("k_99_9", "k_99"), ("triton", "native"), ("maxq", "maxp"))
    )
    got = written(open_tuned(root).merged(f"{CELL}/{spelled}+tensorrt"))
    assert got == OmegaConf.to_container(OmegaConf.merge({}, *expected))


def test_every_shipped_file_is_reached_by_a_cell(library: Library) -> None:
    tuned = library.tuned
    for cell in tuned.cells:
        assert cell.tuned_round in library.options("tuned_round"), cell
        assert cell.system in library.options("system"), cell
        assert cell.benchmark in library.options("benchmark"), cell
        assert cell.scenario in library.options("scenario"), cell
    for shared in tuned.shared:
        users = [
            cell
            for cell in tuned.cells
            if TunedCell(cell.tuned_round, "_shared", cell.benchmark, cell.scenario) == shared
        ]
        assert users, f"no cell uses {shared}"
        assert tuned.file(shared) is not None


def test_every_shipped_variant_merges(library: Library) -> None:
    options = list(library.tuned.options())
    assert options
    assert all(library.tuned.merged(option) for option in options)
