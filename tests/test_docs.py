"""The YAML that docs/systems.md tells users to write is accepted as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlperf_registry import Registry
from mlperf_registry.submission.description import draft


@pytest.fixture(scope="module")
def blocks(checkout: Path) -> list[str]:
    return re.findall(
        r"^```yaml\n(.*?)^```", (checkout / "docs" / "systems.md").read_text(encoding="utf-8"), re.M | re.S
    )


def _registry(folder: Path, text: str) -> Registry:
    (folder / "my_box.yaml").write_text(text, encoding="utf-8")
    return Registry.load(systems=(folder,))


def test_a_system_of_ones_own_takes_over_half_of_its_bases_rates(tmp_path, blocks):
    registry = _registry(tmp_path, blocks[0])
    cell: dict[str, Any] = {"benchmark": "sdxl", "scenario": "offline"}
    mine, theirs = (registry.get(system=name, **cell) for name in ("my_box", "L40Sx8"))
    assert mine.loadgen.offline_expected_qps == pytest.approx(theirs.loadgen.offline_expected_qps / 2)


def test_tuned_values_of_ones_own_hold_for_the_variants_that_they_name(tmp_path, blocks):
    place = tmp_path / re.findall(r"# systems/(tuned/\S+)", blocks[1])[0]
    place.parent.mkdir(parents=True)
    place.write_text(blocks[1], encoding="utf-8")
    registry = _registry(tmp_path, blocks[0])
    cell: dict[str, Any] = {"system": "my_box", "benchmark": "resnet50", "scenario": "offline"}
    rates = [registry.get(**cell, power_setting=power).loadgen.offline_expected_qps for power in ("maxp", "maxq")]
    assert rates == [73_000, 52_000]


def test_a_submission_section_answers_what_nobody_can_detect(tmp_path, blocks):
    stated = yaml.safe_load(blocks[0])
    stated["system"]["submission"] = yaml.safe_load(blocks[2])["system"]["submission"]
    registry = _registry(tmp_path, "# @package _global_\n" + yaml.safe_dump(stated))
    system = registry.get(system="my_box", benchmark="sdxl", scenario="offline").system
    missing = {problem.path.removeprefix("system.submission.") for problem in draft(system).problems}
    assert missing == {
        "host_processor_model_name",
        "host_processors_per_node",
        "host_processor_core_count",
        "host_memory_capacity",
        "framework",
        "operating_system",
        "other_software_stack",
        "host_networking",
        "accelerator_interconnect",
        "host_network_card_count",
    }, "all of which detection fills in"
