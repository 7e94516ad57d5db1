"""The matrix gives what Hydra gives, values and provenance, or hands the cell to Hydra and counts it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.generated_conf import FILES, GeneratedConf, generate
from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.composed import Choice, Composed
from mlperf_registry.compose.library import Library, Roots
from mlperf_registry.compose.matrix import Matrix
from mlperf_registry.compose.tree import walk
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import structure


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> GeneratedConf:
    return generate(tmp_path_factory.mktemp("generated") / "conf")


@pytest.fixture(scope="module")
def many(generated: GeneratedConf) -> Library:
    return Library(Roots(generated.root))


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return repr(left) == repr(right)


def assert_equal(fast: Composed, slow: Composed) -> None:
    assert same(fast.tree, slow.tree)
    assert dict(fast.choices) == dict(slow.choices)
    assert fast.chosen == slow.chosen
    paths = {path for composed in (fast, slow) for path, _ in walk(composed.leaves)}
    for path in paths:
        assert fast.chain(path) == slow.chain(path), path
        assert fast.origin(path) == slow.origin(path), path


def test_the_generated_conf_has_its_size_and_is_well_typed(generated: GeneratedConf, many: Library) -> None:
    assert len(list(generated.root.rglob("*.yaml"))) == FILES
    matrix = Matrix(many)
    for words in generated.cells(300, seed=3):
        structure(Workload, matrix.compose(words).tree)
    assert matrix.handed_over == 0


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_random_cells_equal_hydras(generated: GeneratedConf, many: Library, seed: int) -> None:
    matrix = Matrix(many)
    chosen = [Choice("round", "v6.1", "because")]
    for words in generated.cells(1, seed):
        assert_equal(matrix.compose(words, chosen), compose_cell(many, words, chosen))
    assert matrix.handed_over == 0


@pytest.mark.parametrize("count", [16, pytest.param(200, marks=pytest.mark.slow)])
def test_tuned_cells_of_the_shipped_conf_equal_hydras(library: Library, count: int) -> None:
    matrix = Matrix(library)
    for option in random.Random(count).sample(list(library.tuned.options()), count):
        tuned_round, system, benchmark, scenario, variant = option.split("/")
        target, harness, power, backend = variant.split("+")
        words = [
            f"tuned_round={tuned_round}",
            f"system={system}",
            f"benchmark={benchmark}",
            f"scenario={scenario}",
            f"accuracy_target={target}",
            f"harness={harness}",
            f"power_setting={power}",
            f"backend={backend}",
            "mode=submission",
        ]
        assert_equal(matrix.compose(words), compose_cell(library, words))
    assert matrix.handed_over == 0


def test_one_cell_does_not_change_another(library: Library) -> None:
    matrix = Matrix(library)
    before = repr(matrix.compose(["scenario=server"]).tree)
    matrix.compose(["scenario=server", "loadgen.server_target_qps=9", "builder.gpu_batch_size={resnet50: 3}"])
    assert repr(matrix.compose(["scenario=server"]).tree) == before


@pytest.mark.parametrize(
    "overrides",
    [
        ["kind=b"],
        ["kind=b", "top=t", "size=9"],
        ["extra=b"],
        ["box={x: 5}"],
        ["box=7"],
        ["name='${box.x}-${size}'"],
        ["++size=4"],
    ],
)
def test_small_cells_equal_hydras(small: Callable[..., Library], overrides: list[str]) -> None:
    library = small()
    matrix = Matrix(library)
    assert_equal(matrix.compose(overrides), compose_cell(library, overrides))
    assert matrix.handed_over == 0


@pytest.mark.parametrize(
    ("files", "overrides"),
    [
        ({}, ["~size"]),
        ({}, ["name=${oc.env:PATH}"]),
        ({}, ["hydra.job.name=other"]),
        ({"kind__c": "# @package _global_\ndefaults: [a, _self_]\nname: c\n"}, ["kind=c"]),
        ({"kind__c": "# @package elsewhere\nname: c\n"}, ["kind=c"]),
        (
            {
                "kind__c": "# @package _global_\nbox: '${other}'\nother: {x: 1}\n",
                "top__u": "# @package _global_\nbox: {y: 2}\n",
            },
            ["kind=c", "top=u"],
        ),
    ],
)
def test_what_is_outside_the_dialect_is_handed_to_hydra(
    small: Callable[..., Library], files: dict[str, str], overrides: list[str]
) -> None:
    library = small(**files)
    matrix = Matrix(library)
    slow = compose_cell(library, overrides)
    fast = matrix.compose(overrides)
    assert matrix.handed_over == 1
    assert same(fast.tree, slow.tree)


@pytest.mark.parametrize(
    "overrides", [["kind=x"], ["siz=3"], ["+siz=3"], ["extra=x"], ["kind=a,b"], ["="], ["box.x.y=1"], ["box=[1]"]]
)
def test_mistakes_raise_what_one_cell_raises(small: Callable[..., Library], overrides: list[str]) -> None:
    library = small()
    with pytest.raises(ConfigError) as slow:
        compose_cell(library, overrides)
    with pytest.raises(ConfigError) as fast:
        Matrix(library).compose(overrides)
    assert fast.value.problems == slow.value.problems


@pytest.mark.parametrize("text", ["name: '${nosuch}'\n", "name: '${oc.env:NO_SUCH_VARIABLE}'\n", "box: [1]\n"])
def test_what_hydra_refuses_in_a_file_is_asked_of_it_once(small: Callable[..., Library], text: str) -> None:
    library = small(top__c=f"# @package _global_\n{text}", top__d=f"# @package _global_\n{text}")
    matrix = Matrix(library)
    told: list[tuple[Problem, ...]] = []
    for overrides in (["top=c"], ["top=c", "size=4"], ["top=d"], ["top=c"]):
        with pytest.raises(ConfigError) as refused:
            matrix.compose(overrides)
        told.append(refused.value.problems)
    assert matrix.handed_over == 2, "once for each file"
    assert told[0] == told[1] == told[3]


@pytest.mark.parametrize("more", [[], ["experiment=null"], ["mode=submission"], ["loadgen.min_duration=5s"]])
def test_the_layers_below_a_group_are_those_that_hydra_composes_without_it(library: Library, more: list[str]) -> None:
    words = ["benchmark=resnet50", "system=L4x1", "backend=tensorrt", "tuned_round=v4.1", "scenario=server"]
    matrix = Matrix(library)
    below = matrix.compose([*words, *more], until="mode")
    kept = [word for word in more if word.startswith("loadgen")]
    slow = compose_cell(library, [*words, *kept, "~mode"])
    assert same(below.tree, slow.tree)
    assert all(below.chain(path) == slow.chain(path) for path, _ in walk(slow.leaves))
    assert below.tree["mode"] == {}
    assert below.tree["loadgen"].get("min_duration") == ("5s" if kept else None)
    assert matrix.handed_over == 0


def test_a_cell_outside_the_dialect_is_cut_as_well(library: Library) -> None:
    matrix = Matrix(library)
    below = matrix.compose(["mode=submission", "data.source='${oc.env:HOME}'"], until="mode")
    assert matrix.handed_over == 1
    assert below.tree["mode"] == {}
