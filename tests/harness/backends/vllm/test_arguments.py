"""The config's fields under vLLM's names."""

from __future__ import annotations

import json

import pytest

from harness.backends.vllm.arguments import READS, engine_arguments
from mlperf_registry import plugins
from mlperf_registry.schema.problem import ConfigError, NotReady

PRECISION = "builder.precision"
OPTIONS = "backend.options."


@pytest.fixture
def checkpoint(tmp_path):
    def write(**config):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("precision", "arguments"),
    [
        ("fp8", {"quantization": "fp8"}),
        ({"llama3.1-8b": "bf16"}, {"dtype": "bfloat16"}),
        ("fp16", {"dtype": "float16"}),
        (None, {}),
    ],
)
def test_a_precision_is_a_dtype_or_a_quantisation(checkpoint, precision, arguments):
    assert engine_arguments({PRECISION: precision}, checkpoint()) == {"disable_log_stats": True, **arguments}


def test_a_quantised_checkpoint_is_loaded_as_it_is(checkpoint):
    found = engine_arguments({PRECISION: "fp4"}, checkpoint(quantization_config={"quant_algo": "NVFP4"}))
    assert found == {"disable_log_stats": True}


def test_a_precision_that_nobody_makes_is_refused(checkpoint):
    with pytest.raises(ConfigError, match="fp4, and the checkpoint is not quantised"):
        engine_arguments({PRECISION: "fp4"}, checkpoint())


def test_shared_fields_and_options_have_their_names_there(checkpoint):
    values = {
        "llm.tensor_parallelism": 4,
        "llm.moe_expert_parallelism": 4,
        "llm.trtllm_runtime_flags.max_batch_size": 512,
        "llm.trtllm_runtime_flags.max_num_tokens": None,
        "model.weights": "random",
        OPTIONS + "enforce_eager": False,
        OPTIONS + "engine_args": {"max_num_seqs": 700, "compilation_config": {"level": 3}},
    }
    assert engine_arguments(values, checkpoint()) == {
        "disable_log_stats": True,
        "tensor_parallel_size": 4,
        "enable_expert_parallel": True,
        "max_num_seqs": 700,
        "load_format": "dummy",
        "enforce_eager": False,
        "compilation_config": {"level": 3},
    }


def test_arguments_of_the_harness_cannot_be_set(checkpoint):
    with pytest.raises(ConfigError, match="sets device_ids"):
        engine_arguments({OPTIONS + "engine_args": {"device_ids": [0]}}, checkpoint())


def test_a_folder_that_is_no_checkpoint(tmp_path):
    with pytest.raises(NotReady, match=r"config\.json cannot be read"):
        engine_arguments({}, tmp_path)


def test_whatever_is_read_is_declared():
    assert set(READS) <= set(plugins.backend("vllm").reads)
