"""The rows of ``python -m bench llm``, rehearsed on a CPU over a stand-in for vLLM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).parents[1] / "harness/backends/vllm/standin"

REHEARSAL = """
import sys
from mlperf_registry.execute import recipe
from bench import llm
recipe.device_of = lambda workload: "none"  # there is no GPU to build for
sys.exit(llm.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_rows_share_an_engine_and_are_written_one_by_one(checkout, tmp_path):
    pytest.importorskip("mlperf_loadgen")
    out = tmp_path / "llm.json"
    command = [sys.executable, "-c", REHEARSAL, "bare", "offline", "server", "backend.options.max_model_len=4096"]
    command += ["--samples", "200", "--seconds", "2", "--out", str(out), "--build-dir", str(tmp_path)]
    paths = os.pathsep.join([str(checkout), str(STANDIN), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=checkout, timeout=120)
    rows = json.loads(out.read_text())
    assert list(rows) == ["bare", "offline", "server"], done.stderr
    assert rows["bare"]["detail"]["arguments"]["max_model_len"] == 4096
    assert rows["offline"]["detail"]["valid"], rows["offline"]
    assert len(rows["offline"]["detail"]["turns"]) == 2
    # The stand-in ends no answer early, so LoadGen has counted what the prompts' limits say.
    assert rows["offline"]["detail"]["metrics"]["result_tokens_per_second"] == pytest.approx(
        128 * rows["offline"]["detail"]["rate"], rel=0.01
    )
    assert rows["server"]["detail"]["runs"][0]["tpot_p99_ms"] > 0
    assert done.stderr.count("vLLM loaded") == 1
    assert "| bare vLLM, LLM.generate |" in done.stdout


def test_engine_arguments_on_the_command_line_of_vllm_serve():
    pytest.importorskip("mlperf_loadgen")
    from harness.backends.vllm.arguments import engine_flags

    assert engine_flags({"enable_prefix_caching": False}) == ["--no-enable-prefix-caching"]
    assert engine_flags({"cudagraph_capture_sizes": [1, 2]}) == ["--cudagraph-capture-sizes", "1", "2"]
    assert engine_flags({"compilation_config": {"level": 3}}) == ["--compilation-config", '{"level": 3}']
