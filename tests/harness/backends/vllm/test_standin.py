"""The stand-in has the signatures of vLLM itself, where that is installed."""

from __future__ import annotations

import inspect
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")


def test_every_argument_that_the_backend_can_set_is_one_of_vllm():
    from vllm.engine.arg_utils import EngineArgs
    from vllm.sampling_params import SamplingParams

    from harness.backends.vllm.arguments import READS

    known = set(inspect.signature(EngineArgs).parameters)
    assert {*READS.values(), "load_format", "dtype", "enable_expert_parallel", "stream_interval", "device_ids"} <= known
    assert {"detokenize", "output_kind", "min_tokens", "stop_token_ids"} <= set(
        inspect.signature(SamplingParams).parameters
    )


def test_the_calls_of_the_core_are_those_of_vllm(vllm):
    ours = sys.modules["vllm.v1.engine.llm_engine"].LLMEngine
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]
    sys.path.pop(0)
    from vllm.v1.engine.llm_engine import LLMEngine

    for name in ("add_request", "step", "abort_request", "has_unfinished_requests"):
        theirs = inspect.signature(getattr(LLMEngine, name)).parameters
        assert list(inspect.signature(getattr(ours, name)).parameters) == list(theirs), name
