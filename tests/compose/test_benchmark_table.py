"""The table of benchmarks, and how it agrees with the rules of the rounds."""

from __future__ import annotations

import re

import pytest

from mlperf_registry.compose.benchmark_table import BenchmarkRow, benchmark_rows
from mlperf_registry.compose.identities import Identities
from mlperf_registry.compose.library import Library
from mlperf_registry.rules.round import load_round, round_names

ASKED_FOR = {
    *(
        "resnet50",
        "ssd-mobilenet",
        "ssd-resnet34",
        "retinanet",
        "bert",
        "dlrm",
        "dlrm-v2",
        "dlrm-v3",
        "rnnt",
        "3d-unet",
    ),
    *("gptj", "llama2-70b", "llama2-70b-interactive", "mixtral-8x7b", "llama3.1-405b", "llama3.1-8b", "sdxl", "rgat"),
    *("llama3.1-8b-edge", "whisper", "deepseek-r1", "gpt-oss-120b", "qwen3-vl-235b-a22b", "qwen3.6-27b", "yolo"),
    *("wan-2.2-t2v-a14b", "e2e-rag-qna", "e2e-rag-db", "pointpainting"),
}


@pytest.fixture(scope="module")
def rows(library: Library) -> dict[str, BenchmarkRow]:
    return {row.id: row for row in benchmark_rows(library, Identities(library))}


def test_every_benchmark_of_the_guides_and_rounds_is_there(rows: dict[str, BenchmarkRow]) -> None:
    assert rows.keys() >= ASKED_FOR
    assert rows["resnet50"].harness == rows["resnet50-mini"].harness == "present"
    assert rows["bert"].harness == "missing"


def test_no_two_benchmarks_share_a_name(rows: dict[str, BenchmarkRow]) -> None:
    names = [name.lower() for row in rows.values() for name in (row.id, *row.aliases)]
    assert len(names) == len(set(names))


def test_the_published_names_are_aliases(rows: dict[str, BenchmarkRow]) -> None:
    for row in rows.values():
        assert set(row.names_in_rounds.values()) <= set(row.aliases)


def test_whatever_a_round_has_the_table_has(rows: dict[str, BenchmarkRow]) -> None:
    left_out = {"gpt3"}  # in no guide, and in one round without published configurations
    for name in round_names():
        for benchmark, rules in load_round(name).benchmarks.items():
            if benchmark in left_out:
                continue
            row = rows[benchmark]
            assert rules.loadgen_key in (row.loadgen_key, None), (name, benchmark)
            assert set(rules.targets) <= set(row.accuracy_targets), (name, benchmark)
            directories = {re.sub("-(95|99|99.9)$", "", target.directory) for target in rules.targets.values()}
            assert directories == {row.checker_directory}, (name, benchmark)
            for scenarios in rules.categories.values():
                found = {*scenarios.required, *scenarios.optional, *scenarios.one_of}
                assert found <= set(row.scenarios), (name, benchmark)
