"""TensorRTLLMRunner: an LLM in this process for one group of GPUs, and a process for each of several."""

from __future__ import annotations

import numpy as np
from cells import run_of

from harness.backends.tensorrt_llm.core import TensorRTLLMCore
from harness.backends.tensorrt_llm.runner import TensorRTLLMRunner
from harness.llm.process import ProcessCore
from harness.llm.request import Generation, Request

ONE, FOUR = "system=DGX-H100_H100-SXM-80GBx1", "system=DGX-H100_H100-SXM-80GBx4"
FLAGS = "llm.trtllm_runtime_flags."


def test_one_group_is_in_this_process_and_runs_with_the_flags_of_the_run(tensorrt_llm, tmp_path, collected):
    run = run_of(
        tmp_path,
        ONE,
        "backend=tensorrt_llm",
        FLAGS + "max_batch_size=64",
        FLAGS + "cuda_graph_padding_enabled=true",
        "backend.options.llm_args={kv_cache_config: {max_tokens: 9}}",
        max_batch_size=2048,
        kv_cache_config={"enable_block_reuse": False},
    )
    (core,) = TensorRTLLMRunner().cores(run)
    assert isinstance(core, TensorRTLLMCore)
    core.open(Generation(max_tokens=2), collected)
    assert core._llm.kwargs == {
        "max_batch_size": 64,
        "cuda_graph_config": {"enable_padding": True},
        "kv_cache_config": {"enable_block_reuse": False, "max_tokens": 9},
    }
    core.close()


def test_engines_of_tensorrt_are_not_given_what_they_do_not_take(tensorrt_llm, tmp_path, collected):
    flags = (FLAGS + "trtllm_backend=cpp", FLAGS + "cuda_graph_padding_enabled=true", FLAGS + "max_batch_size=64")
    (core,) = TensorRTLLMRunner().cores(run_of(tmp_path, ONE, "backend=tensorrt_llm", *flags))
    core.open(Generation(max_tokens=2, streaming=True), collected)
    assert core._llm.kwargs == {"max_batch_size": 64}
    core.close()


def test_several_groups_have_a_process_each(tensorrt_llm, tmp_path, collected):
    cores = TensorRTLLMRunner().cores(
        run_of(tmp_path, FOUR, "backend=tensorrt_llm", "llm.gpu_rank_map='0,3&1,2'", "llm.tensor_parallelism=2")
    )
    assert [core.name for core in cores] == ["GPU 0,3", "GPU 1,2"]
    assert all(isinstance(core, ProcessCore) for core in cores)
    cores[0].open(Generation(max_tokens=2), collected)
    cores[0].submit([Request(0, np.array([5], np.int32))])
    collected.wait(1)
    cores[0].close()
    assert collected.done[0].tolist() == [5, 6]
