"""The check finds every published field that conf/ does not give, and every field that it gives besides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlperf_registry.compose.cell import compose_cell
from mlperf_registry.compose.tuned import TunedCell
from mlperf_registry.published.check import check, differences
from mlperf_registry.published.renames import Renames
from mlperf_registry.published.rows import Row
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import structure

SAMPLE = Path(__file__).with_name("sample.jsonl")
Write = Callable[[Iterable[Mapping[str, Any]]], Path]


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


def one_line() -> dict[str, Any]:
    """H200x8's ResNet-50 Offline, MaxQ."""
    return next(line for line in lines() if line["system"] == "H200-SXM-141GBx8" and line["power"] == "MaxQ")


def test_every_configuration_of_the_sample_is_reproduced(registry: Registry) -> None:
    checked = check(SAMPLE, registry)
    assert (checked.total, checked.matched, checked.missing, checked.differing) == (len(lines()), len(lines()), 0, ())
    assert checked.left_out == {"embeddings_path": 3, "model_path": 3, "sample_partition_path": 3, "tensor_path": 4}
    assert registry.matrix.handed_over == 0


def test_every_tuned_value_is_of_its_fields_type(registry: Registry, sample: tuple[Row, ...]) -> None:
    for row in sample:
        file = registry.library.tuned.file(TunedCell(row.round, row.system, row.benchmark, row.scenario))
        assert file is not None
        words = [*row.words, f"backend={file.backends[0]}", f"round={row.round}", "mode=submission"]
        composed = registry.matrix.compose(words)
        workload = registry.structure(composed)
        assert workload.tuned_round == row.round
        assert workload == structure(Workload, composed.tree), "sections made for other cells are those of this one"


@pytest.mark.parametrize(
    ("changes", "name", "theirs", "ours"),
    [
        ({"use_graphs": True}, "use_graphs", True, False),
        ({"use_graphs": 0}, "use_graphs", 0, False),
        ({"gpu_batch_size": {"resnet50": 2049}}, "gpu_batch_size", 2049, 2048),
        ({"offline_expected_qps": 53000.5}, "offline_expected_qps", 53000.5, 53000),
        ({"offline_expected_qps": "53000"}, "offline_expected_qps", "53000", 53000),
        ({"use_jemalloc": True}, "use_jemalloc", True, None),
        ({"power_limit": None}, "power_limit", None, 350),
        ({"turbo": 3}, "turbo", 3, None),
        ({"gpu_offline_expected_qps": 3}, "gpu_offline_expected_qps", 3, None),
    ],
)
def test_a_difference_is_found_and_named(
    registry: Registry, published: Write, changes: dict[str, Any], name: str, theirs: Any, ours: Any
) -> None:
    line = one_line()
    fields = {key: value for key, value in {**line["fields"], **changes}.items() if value is not None}
    checked = check(published([{**line, "fields": fields}]), registry)
    assert (checked.total, checked.matched, checked.missing) == (1, 0, 0)
    (difference,) = checked.differing
    (field,) = difference.fields
    assert difference.cell == "v4.1/H200-SXM-141GBx8/resnet50/offline maxq"
    assert (field.name, field.published, field.ours) == (name, theirs, ours)


def test_a_field_that_was_not_published_is_found_with_its_place(registry: Registry, published: Write) -> None:
    line = one_line()
    del line["fields"]["power_limit"]
    (difference,) = check(published([line]), registry).differing
    (field,) = difference.fields
    assert field.path == "power.power_limit"
    assert field.origin == "conf/tuned/v4.1/H200-SXM-141GBx8/resnet50/offline.yaml"
    assert field.line == 7


def test_a_number_may_be_written_as_another_kind_of_number(registry: Registry, published: Write) -> None:
    line = one_line()
    line["fields"]["offline_expected_qps"] = 53000.0
    assert check(published([line]), registry).matched == 1


@pytest.mark.parametrize(
    "changes", [{"harness": "Triton"}, {"system": "L4x99"}, {"benchmark": "resnet51"}, {"round": "v9.9"}]
)
def test_a_configuration_without_tuned_values_is_missing(
    registry: Registry, published: Write, changes: dict[str, str]
) -> None:
    checked = check(published([{**one_line(), **changes}]), registry)
    assert (checked.matched, checked.missing, checked.differing) == (0, 1, ())
    assert "maxq" in checked.missing_cells[0]


def test_programs_get_one_object(registry: Registry, published: Write) -> None:
    line = one_line()
    changed = {**line, "power": "MaxP", "fields": {}}
    found = json.loads(json.dumps(check(published([line, changed]), registry).as_json()))
    assert {key: found[key] for key in ("total", "matched", "missing")} == {"total": 2, "matched": 1, "missing": 0}
    assert {field["name"] for field in found["differing"][0]["fields"]} > {"precision", "use_graphs"}


def test_a_file_that_is_none_is_bad_input(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check(tmp_path / "nowhere.jsonl", registry)
    (tmp_path / "bad.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check(tmp_path / "bad.jsonl", registry)
    assert {problem.line for problem in caught.value.problems} == {1}


@pytest.mark.slow
def test_hydra_gives_the_same(registry: Registry, sample: tuple[Row, ...], renames: Renames) -> None:
    for row in sample:
        file = registry.library.tuned.file(TunedCell(row.round, row.system, row.benchmark, row.scenario))
        assert file is not None
        composed = compose_cell(registry.library, [*row.words, f"backend={file.backends[0]}", "~mode"])
        assert not list(differences(row, composed, renames)), row
