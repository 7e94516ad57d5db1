"""NVIDIA's fields under TensorRT-LLM's names, and what a build leaves; with the values that NVIDIA published."""

from __future__ import annotations

import json
from functools import cache

import pytest

from harness.backends.tensorrt_llm.arguments import (
    READS,
    build_config,
    load_arguments,
    merged,
    quant_config,
    run_arguments,
)
from harness.backends.tensorrt_llm.builder import TensorRTLLMBuilder
from harness.backends.tensorrt_llm.library import make_llm
from harness.llm.engine_file import EngineFile
from mlperf_registry.plugins import backend
from mlperf_registry.registry import Registry
from mlperf_registry.schema.engine import Engine, Recipe
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.structure import unstructure, value_at

CELL = ("benchmark=llama3.1-8b", "scenario=offline", "system=B200-SXM-180GBx1", "backend=tensorrt_llm")


@pytest.fixture(scope="module")
def compose():
    registry = Registry.load()

    def composed(*overrides):
        return registry.structure(registry.compose([*CELL, *overrides]))

    return composed


def values_of(workload):
    found = {path: value_at(workload, path) for path in backend("tensorrt_llm").reads}
    return {path: unstructure(value[0]) for path, value in found.items() if value is not None}


def recipe(workload, model):
    return Recipe(
        backend="tensorrt_llm",
        library_version="tensorrt-llm 1.2.1",
        builder="",
        builder_version=1,
        device="",
        model_path=str(model),
        model_sha256="0",
        values=values_of(workload),
    )


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 2}))
    return folder


@pytest.fixture
def built(tmp_path):
    def build(workload, model):
        folder = tmp_path / "engine"
        folder.mkdir()
        file = TensorRTLLMBuilder().build(recipe(workload, model), folder)
        return Engine(key="", path=str(folder), file=file, sha256="", reused=False, why="")

    return build


def test_published_values_have_their_names_there(compose):
    workload = compose("tuned_round=v5.1", "llm.moe_expert_parallelism=2")
    arguments = merged(load_arguments(values_of(workload)), run_arguments(workload.llm))
    assert arguments == {
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "moe_expert_parallel_size": 2,
        "max_batch_size": 6000,
        "max_num_tokens": 12000,
        "max_input_len": 2540,
        "max_seq_len": 2668,
        "max_beam_width": 1,
        "enable_chunked_prefill": True,
        "kv_cache_config": {
            "enable_block_reuse": False,
            "dtype": "fp8",
            "tokens_per_block": 32,
            "free_gpu_memory_fraction": 0.9,
        },
        "scheduler_config": {
            "capacity_scheduler_policy": "MAX_UTILIZATION",
            "context_chunking_policy": "FIRST_COME_FIRST_SERVED",
        },
        "cuda_graph_config": {"enable_padding": True},
    }


def test_a_field_that_is_read_changes_the_argument_of_its_name_alone(compose):
    @cache
    def told(*overrides):
        workload = compose("tuned_round=none", *overrides)
        return merged(load_arguments(values_of(workload)), run_arguments(workload.llm))

    values = {"precision": "bf16", "weights": "random", "use_fp8": "true", "kv_cache_dtype": "fp8"}
    values |= {"gpu_batch_size": "8", "trtllm_batch_sched_policy": "max_util", "batch_scheduler_policy": "static"}
    values |= {"context_chunking_policy": "equal_progress", "moe_backend": "TRTLLM", "cuda_graph_batch_sizes": "[1]"}
    switches = ("enable_", "torch_", "cuda_graph_padding", "adp_balancing_enable")
    for path, argument in READS.items():
        name = path.rpartition(".")[2]
        value = values.get(name) or ("true" if name.startswith(switches) else "0.5" if "frac" in name else "1")
        others = ("builder.precision=bf16",) if name == "use_fp8" else ()
        before, after = told(*others), told(*others, f"{path}={value}")
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        assert changed == {argument.partition(".")[0]}, path


def test_the_library_takes_them(compose, tensorrt_llm):
    workload = compose(
        "tuned_round=v5.1",
        "llm.trtllm_build_flags.enable_attention_dp=true",
        "llm.trtllm_build_flags.torch_compile_enabled=true",
        "llm.trtllm_runtime_flags.adp_balancing_enable=true",
        "llm.trtllm_runtime_flags.moe_backend=CUTLASS",
        "llm.trtllm_runtime_flags.cuda_graph_batch_sizes=[1,2,4]",
        "llm.trtllm_runtime_flags.enable_batch_size_tuning=true",
        "llm.trtllm_runtime_flags.num_postprocess_workers=2",
        "backend.options.llm_args={batch_wait_timeout_ms: 5, kv_cache_config: {max_tokens: 100}}",
    )
    llm = make_llm("model", "pytorch", merged(load_arguments(values_of(workload)), run_arguments(workload.llm)))
    assert llm.kwargs["cuda_graph_config"] == {"batch_sizes": [1, 2, 4], "enable_padding": True}
    assert llm.kwargs["kv_cache_config"]["max_tokens"] == 100
    assert llm.kwargs["scheduler_config"]["dynamic_batch_config"] == {"enable_batch_size_tuning": True}


def test_arguments_of_the_harness_cannot_be_set(compose):
    workload = compose("backend.options.llm_args={stream_interval: 5}")
    with pytest.raises(ConfigError, match="sets stream_interval"):
        load_arguments(values_of(workload))


def test_a_checkpoint_that_is_not_quantised_so_is_refused(compose, built, checkpoint):
    with pytest.raises(ConfigError, match=r"is fp4, and the checkpoint .* is not quantised"):
        built(compose("builder.precision=fp4"), checkpoint)


@pytest.mark.parametrize(
    ("overrides", "room"),
    [
        (("builder.precision=bf16",), 0),
        (("builder.precision=fp4", "model.weights=random"), 100),
        (("llm.trtllm_runtime_flags.trtllm_backend=cpp",), 100),
    ],
)
def test_only_what_is_written_anew_needs_room(compose, checkpoint, overrides, room):
    assert TensorRTLLMBuilder().room(recipe(compose(*overrides), checkpoint), 100) == room


def test_a_quantised_checkpoint_is_loaded_where_it_lies(compose, built, checkpoint):
    (checkpoint / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "NVFP4"}}))
    engine = EngineFile.read(built(compose("builder.precision=fp4"), checkpoint))
    assert engine.checkpoint == str(checkpoint)


def test_random_weights_have_the_number_format_that_is_asked_for(compose, built, checkpoint):
    workload = compose(
        "model.weights=random", "builder.precision=fp8", "llm.trtllm_checkpoint_flags.kv_cache_dtype=fp8"
    )
    engine = built(workload, checkpoint)
    file = EngineFile.read(engine)
    assert file.checkpoint == f"{engine.path}/engine"
    assert file.arguments["load_format"] == "dummy"
    said = json.loads((checkpoint.parent / "engine/engine/hf_quant_config.json").read_text())
    assert said["quantization"] == {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}


def test_flags_that_only_engines_of_tensorrt_have_are_told(compose, tmp_path, checkpoint):
    told = []
    words = ("tuned_round=none", "llm.trtllm_build_flags.gemm_plugin=fp8", "llm.trtllm_build_flags.context_fmha=enable")
    workload = compose(*words, "llm.trtllm_build_flags.max_seq_len=2668")
    TensorRTLLMBuilder(told.append).build(recipe(workload, checkpoint), tmp_path)
    (said,) = told
    assert "trtllm_backend=cpp" in said
    assert "llm.trtllm_build_flags.context_fmha, llm.trtllm_build_flags.gemm_plugin." in said
    assert "max_seq_len" not in said
    TensorRTLLMBuilder(told.append).build(recipe(compose("tuned_round=none"), checkpoint), tmp_path)
    assert told == [said]


def test_engines_of_tensorrt_are_built_in_a_process_of_their_own(compose, built, checkpoint, tensorrt_llm):
    workload = compose(
        "tuned_round=v5.1",
        "llm.trtllm_runtime_flags.trtllm_backend=cpp",
        "builder.precision=fp8",
        "llm.trtllm_build_flags.gemm_plugin=fp8",
        "llm.trtllm_build_flags.gpt_attention_plugin=disable",
    )
    engine = EngineFile.read(built(workload, checkpoint))
    said = json.loads((checkpoint.parent / "engine/engine/config.json").read_text())
    assert engine.checkpoint.endswith("engine/engine")
    assert (said["max_batch_size"], said["max_num_tokens"], said["kv_cache_type"]) == (6000, 12000, "PAGED")
    assert said["plugin_config"]["gemm_plugin"] == "fp8" and said["plugin_config"]["gpt_attention_plugin"] is None
    assert said["plugin_config"]["use_paged_context_fmha"] is True
    assert said["quant"] == {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}


def test_use_fp8_is_another_word_for_fp8(compose):
    values = values_of(compose("tuned_round=none", "builder.precision=fp16", "builder.use_fp8=true"))
    assert quant_config(values) == {"quant_algo": "FP8"}
    assert "plugin_config" in build_config(values)
