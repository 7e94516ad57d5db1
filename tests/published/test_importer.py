"""Whatever was published, the files that the importer writes give exactly that back, and say once what is shared."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.compose.library import Library, Roots
from mlperf_registry.compose.matrix import Matrix
from mlperf_registry.published.check import check, differences
from mlperf_registry.published.importer import import_rows, main, tuned_files
from mlperf_registry.published.renames import Renames
from mlperf_registry.published.rows import Row
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import ConfigError

ROUND = "v9.9"
SYSTEMS = ("L4x1", "T4x1", "A30x1", "Orin")
VARIANTS = [
    (target, harness, power_setting)
    for target in ("k_99", "k_99_9")
    for harness in ("native", "triton", "hetero_mig")
    for power_setting in ("maxp", "maxq")
]

bert_fields = st.fixed_dictionaries(
    {},
    optional={
        "gpu_batch_size": st.sampled_from([{"bert": 16}, {"bert": 64}]),
        "precision": st.sampled_from(["fp16", "int8"]),
        "use_graphs": st.booleans(),
        "workspace_size": st.sampled_from([7 << 30, 1_234_567]),
        "min_duration": st.sampled_from([600_000, 2_000_000]),
        "offline_expected_qps": st.sampled_from([10, 10.0, 12.5]),
        "numa_config": st.sampled_from(["", "0-3:0-7&4-7:8-15"]),
        "tensor_path": st.sampled_from(["build/preprocessed_data/a", "/home/somebody/a"]),
        "map_path": st.just("data_maps/yes.txt"),
        "ov_parameters": st.dictionaries(st.sampled_from("AB"), st.sampled_from(["1", "YES"]), min_size=1),
    },
)
cells = st.dictionaries(
    st.tuples(st.sampled_from(SYSTEMS), st.sampled_from(VARIANTS)), bert_fields, min_size=1, max_size=14
)


def rows_of(found: Mapping[tuple[str, tuple[str, str, str]], Mapping[str, Any]]) -> list[Row]:
    return [
        Row(line, ROUND, system, "bert", "offline", target, power_setting, harness, fields)
        for line, ((system, (target, harness, power_setting)), fields) in enumerate(found.items(), 1)
    ]


def written(root: Path, files: Mapping[str, str]) -> Path:
    """A plug-in's folder with tuned files."""
    shutil.rmtree(root, ignore_errors=True)
    texts = {f"tuned/{address}": text for address, text in files.items()}
    texts[f"tuned_round/{ROUND}"] = f"# @package _global_\ntuned_round: {ROUND}\n"
    for name, text in texts.items():
        path = root / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def matrix(checkout: Path) -> Matrix:
    return Matrix(Library(Roots(checkout / "conf")))


@settings(max_examples=30, deadline=None)
@given(found=cells)
def test_what_is_written_gives_the_rows_back(
    tmp_path_factory: pytest.TempPathFactory, checkout: Path, matrix: Matrix, renames: Renames, found: Any
) -> None:
    rows = rows_of(found)
    files = tuned_files(rows, matrix, renames)
    root = written(tmp_path_factory.getbasetemp() / "imported", files)
    again = Matrix(Library(Roots(checkout / "conf", (root,))))
    for row in rows:
        composed = again.compose([*row.words, "backend=tensorrt"], until="mode")
        assert not list(differences(row, composed, renames)), "\n".join(files.values())
    own = {str(cell) for cell in again.library.tuned.cells if cell.tuned_round == ROUND}  # heirs of theirs have none
    assert sum(option.rpartition("/")[0] in own for option in again.library.tuned.options()) == len(rows)


@settings(max_examples=20, deadline=None)
@given(found=cells, seed=st.integers(0, 99))
def test_the_order_of_the_rows_does_not_matter(matrix: Matrix, renames: Renames, found: Any, seed: int) -> None:
    rows = rows_of(found)
    assert tuned_files(random.Random(seed).sample(rows, len(rows)), matrix, renames) == tuned_files(
        rows, matrix, renames
    )


def of_systems(*fields: Mapping[str, Any], variants: Sequence[tuple[str, str, str]] = (VARIANTS[0],)) -> list[Row]:
    return rows_of(
        {(system, variant): one for system, one in zip(SYSTEMS, fields, strict=False) for variant in variants}
    )


def test_what_most_systems_agree_on_is_shared(matrix: Matrix, renames: Renames) -> None:
    files = tuned_files(of_systems(*[{"use_graphs": True}] * 3, {"use_graphs": False}), matrix, renames)
    shared = "# What most systems publish for bert offline in v9.9: no rates, latencies or power limits."
    assert (
        files[f"{ROUND}/_shared/bert/offline"]
        == f"{shared}\nbuilder: {{precision: null}}\nruntime: {{use_graphs: true}}\n"
    )
    assert files[f"{ROUND}/L4x1/bert/offline"] == "backends: [tensorrt]\n"
    assert files[f"{ROUND}/Orin/bert/offline"] == "backends: [tensorrt]\nruntime: {use_graphs: false}\n"


@pytest.mark.parametrize(
    "fields",
    [
        {"offline_expected_qps": 5},
        {"power_limit": 300},
        {"single_stream_expected_latency_ns": 5},
    ],
)
def test_rates_latencies_and_power_limits_are_never_shared(
    matrix: Matrix, renames: Renames, fields: dict[str, Any]
) -> None:
    files = tuned_files(of_systems(*[{**fields, "precision": "fp16"}] * 4), matrix, renames)
    assert f"{ROUND}/_shared/bert/offline" not in files


def test_a_field_that_many_lack_is_not_shared(matrix: Matrix, renames: Renames) -> None:
    graphs, none = {"use_graphs": True, "precision": "fp16"}, {"precision": "fp16"}
    assert len(tuned_files(of_systems(graphs, graphs, none, none), matrix, renames)) == 4


def test_a_variant_says_what_differs(matrix: Matrix, renames: Renames) -> None:
    found = {
        ("L4x1", variant): {
            "gpu_batch_size": {"bert": 64 if variant[0] == "k_99" else 16},
            "precision": "fp16",
            "offline_expected_qps": 100 if variant[2] == "maxp" else 70,
            **({} if variant[2] == "maxp" else {"power_limit": 60}),
        }
        for variant in VARIANTS
        if variant[1] == "native"
    }
    (text,) = tuned_files(rows_of(found), matrix, renames).values()
    assert text == (
        "tuned_for: [plain, maxq, k_99_9, k_99_9+maxq]\n"
        "backends: [tensorrt]\n"
        "builder: {gpu_batch_size: 64}\n"
        "loadgen: {offline_expected_qps: 100}\n"
        "when:\n"
        "  k_99_9: {builder: {gpu_batch_size: 16}}\n"
        "  maxq: {loadgen: {offline_expected_qps: 70}, power: {power_limit: 60}}\n"
    )


def test_values_are_written_with_their_units(matrix: Matrix, renames: Renames) -> None:
    fields = {"workspace_size": 7 << 30, "min_duration": 2_400_000, "deque_timeout_usec": 500, "precision": "fp16"}
    (text,) = tuned_files(of_systems(fields), matrix, renames).values()
    assert "workspace_size: 7GiB" in text
    assert "min_duration: 40min" in text
    assert "deque_timeout_usec: 500" in text


def test_a_note_is_written_at_the_top(registry: Registry) -> None:
    path = registry.library.roots.conf / "tuned" / "v4.1" / "H200-SXM-141GBx8" / "resnet50" / "offline.yaml"
    assert path.read_text(encoding="utf-8").startswith("# The maxq rate of 53000 is as published")


@pytest.fixture
def conf(checkout: Path, tmp_path: Path) -> Path:
    """The checkout's conf without tuned values."""
    return Path(shutil.copytree(checkout / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("tuned")))


def as_published(row: Row) -> dict[str, Any]:
    return {
        "round": row.round,
        "system": row.system,
        "benchmark": row.benchmark,
        "scenario": "Offline",
        "accuracy_target": 0.99,
        "harness": "Custom",
        "power": "MaxP",
        "fields": dict(row.fields),
    }


def test_a_file_is_imported_once(
    conf: Path,
    renames: Renames,
    published: Callable[[Iterable[Mapping[str, Any]]], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [as_published(row) for row in of_systems(*[{"use_graphs": True, "use_jemalloc": True}] * 4)]
    file = published(rows)
    first = import_rows(file, conf, renames)
    assert (len(first.written), first.unchanged, first.published) == (6, 0, 8)
    assert main([str(file), "--conf", str(conf)]) == 0
    assert "0 files written, 6 unchanged, 0 removed" in capsys.readouterr().out
    checked = check(file, Registry.load(conf, plugins=[]))
    assert (checked.total, checked.matched) == (4, 4)

    fewer = published(rows[:2])
    with pytest.raises(ConfigError, match="--prune"):
        import_rows(fewer, conf, renames)
    assert len(import_rows(fewer, conf, renames, prune=True).removed) == 2


def test_what_is_not_understood_is_refused_with_its_line(
    conf: Path, published: Callable[[Iterable[Mapping[str, Any]]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = (as_published(one) for one in of_systems({}))
    file = published([{**row, "fields": {"turbo": 1}}, {**row, "system": "L4x99"}, {**row, "benchmark": "brt"}])
    assert main([str(file), "--conf", str(conf)]) == 2
    said = capsys.readouterr().err
    assert "turbo" in said and "row 1" in said
    assert "L4x99" in said and "brt" in said
    file.write_text(
        f"{json.dumps(row)}\n\nno json\n{json.dumps({**row, 'power': 3, 'fields': []})}\n{json.dumps(row)}\n"
    )
    assert main([str(file), "--conf", str(conf)]) == 2
    said = capsys.readouterr().err
    for part in ("published.jsonl:3", "no JSON", "power must be text", "fields must map", "as in line 1"):
        assert part in said
    assert not (conf / "tuned").exists()
