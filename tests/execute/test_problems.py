"""What a backend cannot be as it is configured: one report, before models and data are looked for."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from mlperf_registry.execute.engine import build
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import Silent
from mlperf_registry.schema.problem import ConfigError

GPU = "system=DGX-H100_H100-SXM-80GBx1"
COMMAND = "backend.options.server_command"
EDGE = ("benchmark=llama3.1-8b-edge", GPU, "backend=tensorrt_edgellm")


@pytest.mark.parametrize(
    ("overrides", "paths"),
    [
        (("backend=openai_endpoint",), ["llm.trtllm_server_urls"]),
        (("backend=openai_endpoint", "llm.trtllm_server_urls=[a:1]"), []),
        (
            ("backend=openai_endpoint", "llm.trtllm_server_urls=['ftp://a','b:x']", f"{COMMAND}=[mine]"),
            [COMMAND, "llm.trtllm_server_urls", "llm.trtllm_server_urls", "llm.trtllm_server_urls"],
        ),
        (("backend=openai_endpoint", f"{COMMAND}=[vllm]", "llm.trtllm_runtime_flags.max_batch_size=8"), []),
        (
            ("backend=openai_endpoint", f"{COMMAND}=[vllm]", "llm.trtllm_runtime_flags.moe_backend=CUTLASS"),
            ["llm.trtllm_runtime_flags.moe_backend"],
        ),
        (("backend=openai_endpoint", f"{COMMAND}=[trtllm-serve]", "llm.trtllm_runtime_flags.moe_backend=CUTLASS"), []),
        (
            ("backend=openai_endpoint", f"{COMMAND}=[trtllm-serve]", "llm.trtllm_build_flags.gemm_plugin=fp8"),
            ["llm.trtllm_build_flags.gemm_plugin"],
        ),
        (
            (
                "backend=openai_endpoint",
                f"{COMMAND}=[trtllm-serve, --config, a.yaml]",  # a file of one's own takes the place of ours
                "llm.trtllm_runtime_flags.moe_backend=CUTLASS",
                "llm.trtllm_runtime_flags.max_batch_size=8",
            ),
            ["llm.trtllm_runtime_flags.moe_backend"],
        ),
        (
            ("backend=openai_endpoint", f"{COMMAND}=[llama-server]", "llm.tensor_parallelism=2"),
            ["llm.tensor_parallelism"],
        ),
        ((GPU, "backend=vllm"), []),
        (
            (GPU, "backend=vllm", "llm.tensor_parallelism=2", "backend.options.engine_args={model: a}"),
            ["llm.tensor_parallelism", "backend.options.engine_args"],
        ),
        (
            (
                GPU,
                "backend=vllm",
                "llm.trtllm_build_flags.gemm_plugin=fp8",
                "llm.trtllm_runtime_flags.max_concurrency=8",
            ),
            ["llm.trtllm_build_flags.gemm_plugin"],
        ),
        ((GPU, "backend=vllm", "tuned_round=v5.1"), []),  # what is published holds for tensorrt_llm, and is not applied
        (
            (GPU, "backend=tensorrt_llm", "llm.gpu_rank_map='0&0'", "backend.options.llm_args={backend: a}"),
            ["llm.gpu_rank_map", "backend.options.llm_args"],
        ),
        (EDGE, []),
        (
            (*EDGE, "llm.trtllm_build_flags.max_seq_len=100", "llm.trtllm_checkpoint_flags.kv_cache_dtype=int8"),
            ["llm.trtllm_build_flags.max_seq_len", "llm.trtllm_checkpoint_flags.kv_cache_dtype"],
        ),
        (
            (*EDGE, "runtime.gpu_indices=[1]", "benchmark.options.min_output_tokens=2"),
            ["runtime.gpu_indices", "benchmark.options.min_output_tokens"],
        ),
    ],
)
def test_all_that_a_backend_cannot_be_is_said_at_once(make_workload, overrides, paths):
    workload = make_workload("benchmark=llama3.1-8b", "tuned_round=none", *overrides)
    found = []
    try:
        plan_for(workload, Silent())
    except ConfigError as error:
        found = [problem.path for problem in error.problems]
    assert found == paths


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("llm.trtllm_server_urls=['a:1','b:2']", "openai_endpoint asks a:1, b:2."),
        (f"{COMMAND}=[vllm]", "openai_endpoint asks a server of ours."),
    ],
)
def test_nothing_is_built_where_servers_are_asked(make_workload, tmp_path, word, said):
    told = Mock()
    build(make_workload("benchmark=llama3.1-8b", "backend=openai_endpoint", word), tmp_path, told)
    told.phase.assert_not_called()
    told.note.assert_called_once_with(said)


def test_a_submission_has_it_in_the_report_of_its_rules(make_workload):
    workload = make_workload("benchmark=llama3.1-8b", "backend=openai_endpoint", "mode=submission")
    with pytest.raises(ConfigError) as raised:
        plan_for(workload, Silent())
    paths = [problem.path for problem in raised.value.problems]
    assert paths[0] == "llm.trtllm_server_urls" and len(paths) > 1


END_ON_DEVICE = ("scenario=offline", "backend=tensorrt", "runtime.end_on_device=true")


def test_an_output_that_must_end_in_host_memory_is_refused_in_a_submission(make_workload):
    rate = ("mode=submission", "category=edge", "loadgen.offline_expected_qps=10")
    with pytest.raises(ConfigError) as raised:
        plan_for(make_workload("benchmark=resnet50", GPU, *END_ON_DEVICE, *rate), Silent())
    (problem,) = [found for found in raised.value.problems if found.path == "runtime.end_on_device"]
    assert "must end in host memory" in problem.message and "LoadGen Operation" in problem.hint
    untagged = make_workload("benchmark=3d-unet", GPU, *END_ON_DEVICE, *rate)
    with pytest.raises(ConfigError, match="whose tags lack end_on_device_enabled"):
        plan_for(untagged, Silent())


def test_whoever_may_leave_outputs_in_device_memory_is_told_that_none_are(make_workload):
    told = Mock()
    a100s = "system=DGX-A100_A100-SXM-80GBx8"
    plan = plan_for(make_workload("benchmark=3d-unet", a100s, "scenario=offline", "backend=tensorrt"), told)
    assert plan.workload.runtime.end_on_device  # as NVIDIA published it
    assert not any(breach.path.endswith("_device") for breach in plan.breaches)
    told.note.assert_any_call("runtime.end_on_device has no effect: answers go to host memory all the same.")
