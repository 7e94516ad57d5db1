"""The GPU as CUDA tells it: cuda-python and its CUDA runtime are real, the driver is a stub that is loaded instead."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cuda.bindings", reason="GPUs are driven with cuda-python")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here, and it is optional")

HERE = Path(__file__).parent
ASK = """
import sys
from harness.backends.tensorrt.gpu import device_memory, require_gpu
from mlperf_registry.schema.problem import MlperfError
assert device_memory() is None
try:
    print(require_gpu(int(sys.argv[1])))
except MlperfError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def ask(tmp_path):
    """Asks for a GPU in a process of its own, whose driver serves CUDA up to a version; gives exit code and words."""
    from cuda.bindings import driver

    def run(versions_more: int, gpu: int = 0) -> tuple[int, str, int]:
        version = driver.CUDA_VERSION // 1000 * 1000 + versions_more
        source, made = HERE / "stub_driver.c", tmp_path / "libcuda.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", f"-DVERSION={version}", "-o", made, source], check=True)
        path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("LD_LIBRARY_PATH"))))
        environment = {**os.environ, "LD_LIBRARY_PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(gpu)], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout.strip() or done.stderr, version // 1000

    return run


def test_a_gpu_has_a_name_and_a_compute_capability(ask):
    assert ask(0)[:2] == (0, "NVIDIA Stub, compute capability 8.6")


def test_a_driver_of_an_older_cuda_is_not_ready_and_says_the_cure(ask):
    code, words, _ = ask(-1000 + 40)
    assert code == 3, words
    needed = ask(0)[2]
    assert f"CUDA up to {needed - 1}.4" in words and f"cuda-python here is of CUDA {needed}." in words
    assert "Update the driver" in words


def test_a_gpu_that_is_not_there_is_not_ready(ask):
    code, words, _ = ask(0, gpu=3)
    assert code == 3 and "GPU 3" in words and "runtime.gpu_indices" in words
