"""The reference of fields: current, and complete over the names that NVIDIA ever had."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlperf_registry import plugins
from mlperf_registry.compose.document import load_yaml
from mlperf_registry.compose.reference import entries, page
from mlperf_registry.schema.not_fields import NOT_FIELDS, OLDER_NAMES


def test_the_page_is_current(checkout: Path) -> None:
    written = (checkout / "docs" / "fields.md").read_text(encoding="utf-8")
    assert written == page(), "python -m mlperf_registry.compose.reference > docs/fields.md"


def test_every_name_of_nvidias_is_a_field_or_has_a_reason(checkout: Path) -> None:
    names = set((checkout / "tests" / "data" / "nvidia_field_names.txt").read_text(encoding="utf-8").split())
    paths = [entry.path for entry in entries()]
    for family in plugins.OUR_BENCHMARKS:
        paths += [entry.path for entry in entries(family=family)]
    here = {part for path in paths for part in path.split(".")[1:]}
    assert len(names) == 232
    assert names <= here | NOT_FIELDS.keys() | OLDER_NAMES.keys()
    assert set(OLDER_NAMES.values()) <= set(paths)


def test_older_names_are_those_of_the_table_of_renames(checkout: Path) -> None:
    table = load_yaml(checkout / "mlperf_registry" / "published" / "renames.yaml").tree["older_names"]
    assert {name: path.rpartition(".")[2] for name, path in OLDER_NAMES.items()} == {
        name: entry["now"] for name, entry in table.items()
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("loadgen.server_target_qps", {"unit": "queries/s", "range": "greater than 0, up to 1000000000", "engine": ()}),
        ("builder.gpu_batch_size", {"type": "whole number, per component", "range": "from 1 to 16777216"}),
        ("runtime.deque_timeout_usec", {"default": "0", "unit": "us"}),
        ("benchmark.options.graphs_max_seqlen", {"applies": "scenario server, interactive"}),
        ("llm.trtllm_build_flags.max_seq_len", {"engine": ("tensorrt_edgellm", "tensorrt_llm", "vllm")}),
        (
            "triton.instance_group_count",
            {"applies": "harness triton, triton_unified, triton_cpu; backend tensorrt, tensorrt_rtx, tensorrt_llm"},
        ),
    ],
)
def test_an_entry_says_what_the_schema_says(path: str, expected: dict[str, object]) -> None:
    (entry,) = (entry for entry in entries(family="bert") if entry.path == path)
    assert {name: getattr(entry, name) for name in expected} == expected


def test_no_entry_shows_what_only_programs_understand() -> None:
    assert [
        entry.path for entry in entries(family="bert") if "<" in entry.type or "mlperf_registry" in entry.type
    ] == []
