"""The reference page is what the data says today."""

from __future__ import annotations

from pathlib import Path

from mlperf_registry.rules.reference import reference_page
from mlperf_registry.rules.round import load_round, round_names
from mlperf_registry.rules.rulebook import RULES

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == reference_page(), "run: python -m mlperf_registry.rules.reference > docs/rules.md"


def test_the_page_names_every_rule_and_every_benchmark_of_every_round() -> None:
    page = reference_page()
    assert all(f"| `{rule.id}` |" in page for rule in RULES)
    sections = page.split("\n## ")
    for name in round_names():
        (section,) = (section for section in sections if section.startswith(f"{name}\n"))
        assert all(f"| **{benchmark}** |" in section for benchmark in load_round(name).benchmarks)


def test_every_row_of_a_table_has_its_cells() -> None:
    for block in reference_page().split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count(" | ") for row in rows}) <= 1
