"""The table of names leads from each published field to a field of the schema and back, with an equal value."""

from __future__ import annotations

from typing import Any

import pytest

from mlperf_registry import plugins
from mlperf_registry.compose.fields import option_fields, workload_fields
from mlperf_registry.compose.tuned_file import PLAIN_OPTIONS
from mlperf_registry.published.renames import Renames, equal
from mlperf_registry.published.rows import Row
from mlperf_registry.registry import Registry

SINGLE = "single_stream_expected_latency_ns"
BUILD, OURS = "build/preprocessed_data", "preprocessed_data"


def row(round_name: str, benchmark: str, fields: dict[str, Any], system: str = "T4x1") -> Row:
    target, harness, power_setting = PLAIN_OPTIONS
    return Row(1, round_name, system, benchmark, "offline", target, power_setting, harness, fields)


def test_every_path_is_a_field_or_holds_fields(renames: Renames) -> None:
    fields = {field.path for field in workload_fields().values()}
    for family in plugins.OUR_BENCHMARKS:
        fields |= {field.path for field in option_fields(family, None).values()}
    holding = fields | {path[:end] for path in fields for end in range(2, len(path))}
    assert renames.paths <= holding


def test_no_field_lies_in_another(renames: Renames) -> None:
    assert not [path for path in renames.paths if any(path[:end] in renames.paths for end in range(1, len(path)))]


def test_rows_of_the_sample_go_both_ways(sample: tuple[Row, ...], renames: Renames) -> None:
    for one in sample:
        ours = renames.to_ours(one)
        assert not ours.unknown
        back = renames.to_published(ours.values, one)
        assert back.keys() == one.fields.keys() - ours.left_out.keys()
        for name, value in back.items():
            slip = name == "gpu_copy_streams" and one.fields[name] is True
            assert slip or same(one.fields[name], value), (one, name)


def same(published: Any, ours: Any) -> bool:
    if isinstance(published, dict) and isinstance(ours, dict):
        return published.keys() == ours.keys() and all(same(published[key], ours[key]) for key in published)
    return equal(published, ours)


@pytest.mark.parametrize(
    ("one", "path", "value"),
    [
        (row("v0.7", "bert", {"gpu_offline_expected_qps": 5}), "loadgen.offline_expected_qps", 5),
        (row("v1.0", "bert", {"offline_expected_qps": 5}, "Triton_CPU_2S_6258Rx1"), "loadgen.offline_expected_qps", 5),
        (row("v4.1", "bert", {"offline_expected_qps": 5}), "loadgen.offline_expected_qps", 5),
        (row("v0.7", "bert", {"deque_timeout_us": 7}), "runtime.deque_timeout_usec", 7),
        (row("v0.7", "resnet50", {"devices": 0}), "runtime.gpu_indices", [0]),
        (row("v2.1", "bert", {"gpu_batch_size": 64}), "builder.gpu_batch_size", 64),
        (row("v4.1", "bert", {"gpu_batch_size": {"bert": 64}}), "builder.gpu_batch_size", 64),
        (row("v5.1", "llama3.1-8b", {"gpu_batch_size": {"llama3_1-8b": 9}}), "builder.gpu_batch_size", 9),
        (row("v5.1", "llama3.1-405b", {"gpu_batch_size": {"llama3.1-405b": 9}}), "builder.gpu_batch_size", 9),
        (row("v4.1", "sdxl", {"gpu_batch_size": {"unet": 8, "vae": 1}}), "builder.gpu_batch_size.unet", 8),
        (row("v2.1", "rnnt", {SINGLE: 9.0}), f"loadgen.{SINGLE}", 9),
        (row("v1.0", "rnnt", {"tensor_path": "${PREPROCESSED_DATA_DIR}/a"}), "data.tensor_path", "preprocessed_data/a"),
        (row("v4.1", "gptj", {"tensor_path": f"{BUILD}/a,{BUILD}/b"}), "data.tensor_path", f"{OURS}/a,{OURS}/b"),
        (row("v5.1", "gptj", {"trtllm_build_flags": {"max_input_len": 3}}), "llm.trtllm_build_flags.max_input_len", 3),
    ],
)  # fmt: skip
def test_names_and_forms_of_the_rounds(renames: Renames, one: Row, path: str, value: Any) -> None:
    ours = renames.to_ours(one)
    assert ours.values[tuple(path.split("."))] == value
    assert renames.to_published(ours.values, one) == one.fields


def test_a_slip_is_repaired(renames: Renames) -> None:
    found = renames.to_ours(row("v4.1", "bert", {"gpu_copy_streams": True, "use_graphs": True})).values
    assert list(map(repr, found.values())) == ["1", "True"]


@pytest.mark.parametrize(
    "one",
    [
        row("v4.1", "bert", {"gpu_offline_expected_qps": 1}),
        row("v1.0", "bert", {"offline_expected_qps": 1}),
        row("v4.1", "bert", {"turbo": 1}),
    ],
)
def test_a_name_that_the_round_does_not_have_is_unknown(renames: Renames, one: Row) -> None:
    assert renames.to_ours(one).unknown == tuple(one.fields)


def test_absolute_paths_are_left_out(renames: Renames) -> None:
    fields = {"tensor_path": "/home/x/a.npy,/home/x/b.npy", "model_path": "/home/x", "map_path": "data_maps/a.txt"}
    ours = renames.to_ours(row("v4.1", "dlrm-v2", fields))
    assert ours.left_out == {"tensor_path": ("data", "tensor_path"), "model_path": None}
    assert ours.values == {("data", "map_path"): "data_maps/a.txt"}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (True, 1, False),
        ("1", 1, False),
        (None, False, False),
        ([1, 2], [1.0, 2], True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ("a", "a", True),
    ],
)
def test_equality_is_of_numbers_not_of_kinds(left: Any, right: Any, expected: bool) -> None:
    assert equal(left, right) is expected


def test_values_hold_for_engine_libraries_that_the_benchmark_has(registry: Registry) -> None:
    for cell in registry.library.tuned.cells:
        file = registry.library.tuned.file(cell)
        assert file is not None
        document = registry.library.require("benchmark", cell.benchmark)
        assert set(file.backends) <= set(document.tree["benchmark"]["backends"]), cell
