"""A system with a base: which values it takes over, what becomes of them, what explain says, and that Hydra agrees."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry import Registry
from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.derivation import Derivation
from mlperf_registry.compose.document import Document
from mlperf_registry.compose.fields import option_fields, workload_fields
from mlperf_registry.compose.library import Library, Roots
from mlperf_registry.compose.matrix import Matrix
from mlperf_registry.compose.tree import find, leaves_of, nested, walk
from mlperf_registry.compose.tuned import TunedCell
from mlperf_registry.schema.problem import ConfigError

Write = Callable[[Mapping[str, str]], Path]
Having = Callable[..., Registry]
OFFLINE = {"system": "box", "benchmark": "resnet50", "backend": "tensorrt"}
SOURCE = "conf/tuned/v4.1/L4x1/resnet50/offline.yaml"
OWN = "tuned/v4.1/box/resnet50/offline.yaml"


def system(name: str, base: str | None = None, *, rate: float = 1, size: float = 1, more: str = "") -> str:
    stated = "" if base is None else f"  base: {{system: {base}, rate_factor: {rate}, size_factor: {size}}}\n"
    return f"# @package _global_\nsystem:\n  id: {name}\n  devices: [gpu]\n  accelerator_count: 4\n{stated}{more}"


@pytest.fixture
def having(checkout: Path, write: Write) -> Having:
    """A registry with the user's files in ``systems``; ``box`` has the base L4x1 where no other file is given."""

    def make(files: Mapping[str, str] | None = None, **base: Any) -> Registry:
        named = {"box.yaml": system("box", "L4x1", **base), **(files or {})}
        root = write({f"systems/{name}": text for name, text in named.items()}) / "systems"
        return Registry.load(checkout / "conf", systems=(root,), plugins=())

    return make


def refused(registry: Registry, *words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        registry.structure(registry.compose(words))
    with pytest.raises(ConfigError) as quick:
        registry.structure(registry.compose(words, quick=True))
    assert quick.value.problems == caught.value.problems
    (problem,) = caught.value.problems
    return str(problem)


def derived(path: str, value: Any, *, rate: float = 1, size: float = 1, accelerators: int = 4, dlas: int = 0) -> Any:
    """What becomes of a value at ``path``; None where it is left out."""
    fields = {field.path: field for field in (workload_fields() | option_fields("dlrm", "onnxruntime")).values()}
    keys = tuple(path.split("."))
    tree = leaves_of(nested(keys, value), Document("file", {}))
    leaf = find(Derivation("base", "heir", rate, size, accelerators, dlas, {}).of(tree, fields), keys)
    return None if leaf is None else leaf.value


@pytest.mark.parametrize(
    ("path", "value", "factor", "expected"),
    [
        ("loadgen.offline_expected_qps", 13000, 4, 52000),
        ("loadgen.offline_expected_qps", 41, 0.5, 20.5),
        ("loadgen.server_target_qps", 12345.6, 1.0001, 12350.0),
        ("loadgen.server_target_qps", 0.0123, 2, 0.0246),
        ("loadgen.multi_stream_samples_per_query", 13, 0.5, 6),
        ("loadgen.multi_stream_samples_per_query", 1, 0.1, 1),
        ("loadgen.server_target_qps", "${loadgen.offline_expected_qps}", 4, "${loadgen.offline_expected_qps}"),
        ("loadgen.server_target_qps", True, 4, True),
        ("loadgen.single_stream_expected_latency_ns", 500, 4, 500),
        ("loadgen.dla_offline_expected_qps", 300, 4, 300),
    ],
)
def test_rates_follow_the_number_of_accelerators(path: str, value: Any, factor: float, expected: Any) -> None:
    got = derived(path, value, rate=factor, size=0.5, dlas=1)
    assert (got, type(got)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("path", "value", "factor", "expected"),
    [
        ("builder.gpu_batch_size", 64, 0.5, 32),
        ("builder.gpu_batch_size.unet", 262100, 0.3, 78624),
        ("builder.gpu_batch_size", 31, 0.5, 15),
        ("builder.gpu_batch_size", 100, 0.29, 24),
        ("builder.gpu_batch_size", 1, 0.1, 1),
        ("builder.workspace_size", "7GiB", 0.5, "3584MiB"),
        ("builder.workspace_size", "1MiB", 0.5, "524288B"),
        ("builder.workspace_size", "much", 0.5, "much"),
        ("llm.trtllm_runtime_flags.cuda_graph_batch_sizes", [1, 2, 4, 128], 0.5, [1, 2, 64]),
        ("benchmark.options.embedding_weights_on_gpu_part", 0.8, 0.25, 0.2),
        ("builder.dla_batch_size", 8, 0.5, 8),
        ("llm.trtllm_build_flags.max_seq_len", 2048, 0.5, 2048),
        ("runtime.gpu_inference_streams", 4, 0.5, 4),
    ],
)
def test_sizes_shrink_with_memory(path: str, value: Any, factor: float, expected: Any) -> None:
    got = derived(path, value, rate=3, size=factor, dlas=1)
    assert (got, type(got)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("degree", "accelerators", "expected"), [(8, 3, 2), (8, 8, 8), (8, 6, 4), (1, 1, 1), (2, 0, 2)]
)
def test_parallelism_goes_as_far_as_there_are_accelerators(degree: int, accelerators: int, expected: int) -> None:
    assert derived("llm.tensor_parallelism", degree, rate=0.5, accelerators=accelerators) == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runtime.numa_config", "0:0-15"),
        ("runtime.gpu_indices", [0]),
        ("power.power_limit", 300),
        ("llm.gpu_rank_map", "0,1&2,3"),
        ("triton.triton_server_urls", ["a:1"]),
        ("backend.options.intra_op_threads", 8),
        ("benchmark.options.qsl_numa_override", "0&1"),
    ],
)
def test_what_speaks_of_one_machine_is_left_out(path: str, value: Any) -> None:
    assert derived(path, value) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("builder.dla_core", 0),
        ("builder.dla_batch_size", 8),
        ("runtime.dla_inference_streams", 1),
        ("runtime.dla_copy_streams", 2),
        ("runtime.max_dlas", 2),
        ("runtime.device_types", "all"),
        ("loadgen.dla_offline_expected_qps", 400),
        ("triton.dla_num_issuers", 2),
    ],
)
def test_what_speaks_of_dlas_is_left_out_where_there_are_none(path: str, value: Any) -> None:
    assert derived(path, value) is None
    assert derived(path, value, dlas=2) is not None


def test_a_board_without_dlas_takes_no_dla_over(having: Having) -> None:
    words = ["benchmark=resnet50", "backend=tensorrt"]
    rules = "  match: {dla_count: 2}\n"
    registry = having({"board.yaml": system("board", "Orin"), "twin.yaml": system("twin", "Orin", more=rules)})
    for name, core in (("board", None), ("twin", 0), ("Orin", 0)):
        assert registry.structure(registry.compose([f"system={name}", *words])).builder.dla_core == core


values = st.one_of(st.integers(1, 10**6), st.floats(0.001, 1e6), st.booleans(), st.text(max_size=5), st.none())


@settings(max_examples=100, deadline=None)
@given(path=st.sampled_from([name for name, field in workload_fields().items() if not field.open]), value=values)
def test_factors_of_one_change_no_value(path: str, value: Any) -> None:
    if workload_fields()[path].knob.scales not in ("never", "count") and value != "???":
        got = derived(path, value, dlas=1)
        assert (got, type(got)) == (value, type(value))


@settings(max_examples=100, deadline=None)
@given(value=st.integers(1, 10**6), small=st.floats(0.001, 1, exclude_max=True), large=st.floats(0.001, 1))
def test_what_fitted_still_fits_and_more_memory_never_holds_less(value: int, small: float, large: float) -> None:
    small, large = sorted((small, large))
    less = derived("builder.gpu_batch_size", value, size=small)
    assert 1 <= less <= derived("builder.gpu_batch_size", value, size=large) <= value


def test_explain_says_for_every_value_where_it_comes_from_and_how(having: Having) -> None:
    registry = having(rate=4, size=0.5)
    words = [f"{key}={value}" for key, value in OFFLINE.items()]

    def last(path: str) -> tuple[str, int | None, Any]:
        (explained,) = registry.explain(path, words)
        setting = explained.chain[-1]
        return setting.origin, setting.line, setting.value

    assert last("loadgen.offline_expected_qps") == (f"of L4x1, x4, for box: {SOURCE}", 4, 52000)
    assert last("builder.gpu_batch_size") == (f"of L4x1, x0.5, for box: {SOURCE}", 2, 16)
    assert last("runtime.use_graphs") == (f"of L4x1, for box: {SOURCE}", 3, True)
    shared = "conf/tuned/v4.1/_shared/resnet50/offline.yaml"
    assert last("builder.precision") == (f"of L4x1, for box: {shared}", 2, "int8")
    assert last("tuned_round")[0] == "conf/tuned_round/v4.1.yaml"
    composed = registry.compose(words)
    assert composed.chosen[-1].why == "derived: L4x1's values for box, rates x4, sizes x0.5"
    found = registry.derivation(composed)
    assert found is not None
    assert found.base == "L4x1"


def test_a_derived_cell_is_untuned_and_names_its_round(having: Having) -> None:
    registry = having(rate=4)
    records = {
        record.cell.power_setting: record
        for record in registry.cells(system="box", benchmark="resnet50", scenario="offline", harness="native")
        if record.state != "meaningless"
    }
    assert (records["maxp"].state, records["maxp"].tuned_round) == ("untuned", "v4.1")
    assert records["maxp"].workload() == registry.get(**OFFLINE)
    assert records["maxp"].workload().loadgen.offline_expected_qps == 52000
    assert (records["maxq"].state, records["maxq"].tuned_round) == ("untuned", None)
    assert not registry.is_tuned(records["maxp"].composed())


def test_equal_machines_have_equal_values(having: Having) -> None:
    registry = having()
    words = [f"{key}={value}" for key, value in OFFLINE.items()]
    mine = registry.get(overrides=words)
    theirs = registry.get(overrides=[*words[1:], "system=L4x1"])
    assert {one.path for one in registry.diff(mine, theirs) if not one.path.startswith("system.")} == set()


def test_a_file_of_its_own_wins_whatever_its_round(having: Having) -> None:
    own = "backends: [tensorrt]\nbuilder: {gpu_batch_size: 3}\n"
    registry = having({OWN: own}, rate=4)
    workload = registry.get(**OFFLINE)
    assert dict(workload.builder.gpu_batch_size or {}) == {"resnet50": 3}
    assert workload.loadgen.offline_expected_qps is None
    (record,) = registry.cells(accuracy_target="k_99", power_setting="maxp", harness="native", **cell("offline"))
    assert (record.state, record.tuned_round) == ("tuned", "v4.1")
    assert registry.get(**OFFLINE, scenario="server").loadgen.server_target_qps == 48800
    older = having({"tuned/v3.1/box/resnet50/offline.yaml": own, OWN: own}, rate=4)
    (Path(older.library.roots.systems[0]) / OWN).unlink()
    assert older.get(**OFFLINE).tuned_round == "v3.1"
    assert older.get(**OFFLINE, tuned_round="v4.1").loadgen.offline_expected_qps == 52000


def cell(scenario: str) -> dict[str, str]:
    return {"system": "box", "benchmark": "resnet50", "scenario": scenario}


def test_what_the_systems_own_file_says_stays(having: Having) -> None:
    text = system("box", "L4x1", rate=4, more="builder: {gpu_batch_size: {resnet50: 7}}\n")
    workload = having({"box.yaml": text}).get(**OFFLINE)
    assert dict(workload.builder.gpu_batch_size or {}) == {"resnet50": 7}
    assert workload.loadgen.offline_expected_qps == 52000


def test_a_base_may_have_a_base(having: Having) -> None:
    files = {
        "box.yaml": system("box", "half", rate=4, size=0.5),
        "half.yaml": system("half", "L4x1", rate=0.5, size=0.5),
        "tuned/v4.1/half/resnet50/server.yaml": "backends: [tensorrt]\nloadgen: {server_target_qps: 10}\n",
    }
    registry = having(files)
    offline = registry.get(**OFFLINE)
    assert offline.loadgen.offline_expected_qps == 26000
    assert dict(offline.builder.gpu_batch_size or {}) == {"resnet50": 8}
    assert registry.get(**OFFLINE, scenario="server").loadgen.server_target_qps == 40


def test_values_for_another_engine_library_are_not_taken_over(having: Having) -> None:
    registry = having()
    workload = registry.get(**{**OFFLINE, "backend": "tensorrt_rtx"})
    assert workload.tuned_round == "none"


def test_hydra_lists_what_is_taken_over(having: Having) -> None:
    registry = having(rate=4)
    tuned = registry.library.tuned
    options = set(tuned.options())
    of_base = {option for option in options if option.startswith("v4.1/L4x1/")}
    assert {option for option in options if "/box/" in option} == {option.replace("L4x1", "box") for option in of_base}
    assert all(tuned.layers(option) for option in options if "/box/" in option)
    assert len(tuned.inherited_cells_of("box")) == len(tuned.cells_of("L4x1"))


@pytest.mark.parametrize(
    ("files", "said", "place"),
    [
        ({"box.yaml": system("box", "L4y1")}, "there is no system 'L4y1' (did you mean L4x1", "box.yaml:6]"),
        ({"box.yaml": system("box", "box")}, "leads back to where it began: box -> box", "box.yaml:6]"),
        (
            {"box.yaml": system("box", "one"), "one.yaml": system("one", "two"), "two.yaml": system("two", "one")},
            "leads back to where it began: box -> one -> two -> one",
            "two.yaml:6]",
        ),
        ({"box.yaml": system("box", "L4x1", rate=0)}, "must be greater than 0", "box.yaml:6]"),
        ({"box.yaml": system("box", "L4x1", size=2)}, "must be from 0.001 to 1", "box.yaml:6]"),
        ({"box.yaml": system("box").replace("  devices", "  base: L4x1\n  devices")}, "system.base", "box.yaml:4]"),
    ],
)
def test_a_wrong_base_is_told_with_its_line(having: Having, files: dict[str, str], said: str, place: str) -> None:
    for words in (["system=box"], ["system=box", "benchmark=resnet50", "backend=tensorrt", "tuned_round=v4.1"]):
        message = refused(having(files), *words)
        assert said in message
        assert message.endswith(place)


def test_a_base_is_not_changed_when_it_is_too_late(having: Having) -> None:
    said = refused(having(), "system=box", "benchmark=resnet50", "system.base.rate_factor=9")
    assert said.startswith("system.base.rate_factor: is settled before tuned values are looked up")
    experiment = "# @package _global_\nsystem: {base: {system: L4x8}}\n"
    said = refused(having({"experiment/e.yaml": experiment}), "system=box", "benchmark=resnet50", "experiment=e")
    assert said.endswith("experiment/e.yaml:2]")


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.floats(0.05, 20), size=st.floats(0.01, 1))
def test_the_matrix_gives_what_hydra_gives(
    checkout: Path, library: Library, tmp_path_factory: pytest.TempPathFactory, seed: int, rate: float, size: float
) -> None:
    option = random.Random(seed).choice([one for one in library.tuned.options() if of_its_own(library, one)])
    tuned_round, base, benchmark, scenario, variant = option.split("/")
    target, harness, power, backend = variant.split("+")
    folder = tmp_path_factory.mktemp("systems")
    (folder / "heir.yaml").write_text(system("heir", base, rate=rate, size=size), encoding="utf-8")
    mine = Library(Roots(checkout / "conf", (), (folder,)))
    words = [
        "system=heir",
        f"tuned_round={tuned_round}",
        f"benchmark={benchmark}",
        f"scenario={scenario}",
        f"accuracy_target={target}",
        f"harness={harness}",
        f"power_setting={power}",
        f"backend={backend}",
    ]
    matrix = Matrix(mine)
    fast, slow = matrix.compose(words), compose_cell(mine, words)
    assert matrix.handed_over == 0
    assert repr(sorted_tree(fast.tree)) == repr(sorted_tree(slow.tree))
    assert dict(fast.choices) == dict(slow.choices)
    paths = {path for composed in (fast, slow) for path, _ in walk(composed.leaves)}
    for path in paths:
        assert fast.chain(path) == slow.chain(path), path
        assert fast.origin(path) == slow.origin(path), path
    taken = {setting.origin for path in paths for setting in fast.chain(path) if f"/{tuned_round}/" in setting.origin}
    assert taken
    assert all(origin.startswith(f"of {base}, ") and "for heir: conf/tuned/" in origin for origin in taken)


def of_its_own(library: Library, option: str) -> bool:
    """Whether a variant's cell has a file, and does not take over a base's values."""
    return library.tuned.derivation(TunedCell(*option.split("/")[:4])) is None


def sorted_tree(node: Any) -> Any:
    return {key: sorted_tree(node[key]) for key in sorted(node)} if isinstance(node, dict) else node
