"""``runtime.numa_config`` from the command line: a real run on one core, and cores that are not there."""

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are bound to cores on Linux only")


@pytest.mark.slow
def test_a_run_stays_on_the_cores_of_its_node(mlperf, tmp_path):
    core = min(os.sched_getaffinity(0))
    answer = mlperf(
        "run",
        "--json",
        "loadgen.test_mode=PerformanceOnly",
        "loadgen.min_duration=1s",
        "runtime.warmup_duration=10ms",
        f"runtime.numa_config='{core}'",
        "--build-dir",
        str(tmp_path / "build"),
    )
    folder = Path(answer.json["log_dir"])
    bound = [line for line in (folder / "performance.log").read_text().splitlines() if line.startswith("Thread")]
    assert bound == [f"Thread onnxruntime-0 is of NUMA node 0 and runs on cores {core}."]


@pytest.mark.parametrize("string", ["9999", "0&0", "3-1", "0-"])
def test_a_string_that_cannot_be_kept_to_ends_with_2_and_nothing_is_written(mlperf, tmp_path, string):
    answer = mlperf("run", f"runtime.numa_config='{string}'", "--build-dir", str(tmp_path / "build"))
    assert answer.code == 2
    assert "runtime.numa_config" in answer.err
    assert not (tmp_path / "build").exists()
