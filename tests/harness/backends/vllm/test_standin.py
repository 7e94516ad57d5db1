"""The stand-in has the signatures of vLLM itself, where that is installed."""

from __future__ import annotations

import ast
import inspect
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: pip install 'mlperf-registry[vllm]'"
)

ENGINE = Path(__file__).parent / "standin/vllm/v1/engine/llm_engine.py"


def test_every_argument_that_the_backend_can_set_is_one_of_vllm():
    from vllm.engine.arg_utils import EngineArgs
    from vllm.sampling_params import SamplingParams

    from harness.backends.vllm.arguments import READS

    known = set(inspect.signature(EngineArgs).parameters)
    assert {*READS.values(), "load_format", "dtype", "enable_expert_parallel", "stream_interval", "device_ids"} <= known
    assert {"detokenize", "output_kind", "min_tokens", "stop_token_ids"} <= set(
        inspect.signature(SamplingParams).parameters
    )


@pytest.mark.parametrize("name", ["add_request", "step", "abort_request", "has_unfinished_requests"])
def test_the_calls_of_the_core_are_those_of_vllm(name):
    from vllm.v1.engine.llm_engine import LLMEngine

    # Read, not imported: one process cannot hold both.
    ours = next(
        node
        for node in ast.walk(ast.parse(ENGINE.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    assert [argument.arg for argument in ours.args.args] == list(inspect.signature(getattr(LLMEngine, name)).parameters)
