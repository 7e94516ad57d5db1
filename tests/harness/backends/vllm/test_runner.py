"""VllmRunner: an engine in this process for one group of GPUs, and a process for each of several."""

from __future__ import annotations

import os
import shutil
import sys

import numpy as np
import pytest
from cells import run_of

from harness.backends.vllm.core import VllmCore
from harness.backends.vllm.runner import VllmRunner
from harness.llm.process import ProcessCore
from harness.llm.request import Generation, Request
from mlperf_registry.schema.problem import NotReady

ONE, FOUR = "system=DGX-H100_H100-SXM-80GBx1", "system=DGX-H100_H100-SXM-80GBx4"


def test_one_group_is_in_this_process_and_sees_all_that_it_sees(vllm, tmp_path, collected):
    (core,) = VllmRunner().cores(run_of(tmp_path, ONE, "backend=vllm", quantization="fp8"))
    assert isinstance(core, VllmCore)
    core.open(Generation(max_tokens=2), collected)
    assert (core._engine.asked.device_ids, core._engine.asked.quantization) == (None, "fp8")
    core.close()


def test_gpus_that_are_named_are_those_used(vllm, tmp_path, collected):
    (core,) = VllmRunner().cores(run_of(tmp_path, ONE, "backend=vllm", "runtime.gpu_indices=[3]"))
    core.open(Generation(max_tokens=2), collected)
    assert (core.name, core._engine.asked.device_ids) == ("GPU 3", [3])
    core.close()


def test_several_groups_have_a_process_each(vllm, tmp_path, collected, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    cores = VllmRunner().cores(run_of(tmp_path, FOUR, "backend=vllm", "llm.tensor_parallelism=2"))
    assert [core.name for core in cores] == ["GPU 0,1", "GPU 2,3"]
    assert all(isinstance(core, ProcessCore) for core in cores)
    cores[1].open(Generation(max_tokens=2), collected)
    cores[1].submit([Request(0, np.array([5], np.int32))])
    collected.wait(1)
    cores[1].close()
    assert collected.done[0].tolist() == [5, 6]


def test_a_checkpoint_that_was_moved_is_said(tmp_path):
    run = run_of(tmp_path, ONE, "backend=vllm")
    shutil.rmtree(tmp_path / "checkpoint")
    with pytest.raises(NotReady, match=r"no longer there.*force_build_engines"):
        VllmRunner().cores(run)
