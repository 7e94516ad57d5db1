"""TensorRTLLMCore against the stand-in: answers whole and streamed, in this process and in others; refusals."""

from __future__ import annotations

import json
from functools import partial

import attrs
import numpy as np
import pytest

from harness.backends.tensorrt_llm import arguments as arguments_module
from harness.backends.tensorrt_llm.core import TensorRTLLMCore
from harness.backends.tensorrt_llm.library import make_llm
from harness.llm.process import ProcessCore
from harness.llm.request import Generation, Request
from mlperf_registry.schema.problem import NotReady, RunFailed

WHOLE = Generation(max_tokens=6, min_tokens=6, ignore_eos=True)
STREAMED = attrs.evolve(WHOLE, streaming=True)
BREAKS, IS_CANCELLED = 666, 668
"""First tokens of prompts that do something to the stand-in."""


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": [2, 9]}))
    return str(tmp_path)


@pytest.fixture
def opened(tensorrt_llm, collected, checkpoint):
    cores = []

    def open_core(generation, *, apart=False, **arguments):
        make = partial(TensorRTLLMCore, "GPU 0", checkpoint, "pytorch", arguments)
        core = ProcessCore("GPU 0", make, {"CUDA_VISIBLE_DEVICES": "3"}) if apart else make()
        cores.append(core)
        core.open(generation, collected)
        return core

    yield open_core
    for core in cores:
        core.close()


def requests(*prompts):
    return [Request(number, np.array(prompt, np.int32)) for number, prompt in enumerate(prompts)]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("generation", [WHOLE, STREAMED])
def test_every_request_is_answered_once_with_its_own_tokens(opened, collected, generation, apart):
    core = opened(generation, apart=apart)
    prompts = [[number, 7] for number in range(50)]
    core.submit(requests(*prompts)[:30])
    core.submit(requests(*prompts)[30:])
    collected.wait(50)
    assert {number: answer.tolist() for number, answer in collected.done.items()} == {
        number: [number + 7 + step for step in range(6)] for number in range(50)
    }
    assert all(answer.dtype == np.int32 for answer in collected.done.values())
    first = {number: tokens.tolist() for number, tokens in collected.first.items()}
    assert first == ({number: [number + 7] for number in range(50)} if generation.streaming else {})


def test_the_models_own_end_and_further_stop_tokens_end_an_answer_and_are_part_of_it(opened, collected):
    opened(Generation(max_tokens=6, stop_token_ids=(12,))).submit(requests([7], [10], [1]))
    collected.wait(3)
    assert [collected.done[number].tolist() for number in range(3)] == [[7, 8, 9], [10, 11, 12], [1, 2]]


def test_a_long_answer_shows_life_where_nothing_streams(opened, collected):
    opened(Generation(max_tokens=1500, ignore_eos=True)).submit(requests([1]))
    collected.wait(1)
    assert collected.tokens == len(collected.done[0]) == 1500
    assert not collected.first


def test_a_prompt_that_is_refused_and_requests_that_break_fail_alone(opened, collected):
    opened(STREAMED, max_seq_len=10).submit(requests([1] * 10, [1], [BREAKS], [IS_CANCELLED]))
    collected.wait(4)
    assert list(collected.done) == [1]
    assert "should not exceed max_seq_len" in collected.failed[0]
    assert "worker returned error" in collected.failed[2]
    assert "'cancelled'" in collected.failed[3]


@pytest.mark.parametrize("apart", [False, True])
def test_how_long_a_prompt_and_its_answer_may_be_is_known_once_open(opened, apart):
    assert opened(WHOLE, apart=apart, max_seq_len=10).longest == 10


@pytest.mark.parametrize(
    ("arguments", "config", "longest"),
    [
        ({}, {"max_position_embeddings": 4096}, None),
        ({}, {"build_config": {"max_seq_len": 20}}, 20),
        ({"max_seq_len": 10}, {"build_config": {"max_seq_len": 20}}, 10),
    ],
)
def test_what_was_asked_for_or_built_bounds_an_answer(tmp_path, arguments, config, longest):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert arguments_module.longest(arguments, tmp_path) == longest


def test_an_unknown_argument_is_one_sentence(tensorrt_llm):
    with pytest.raises(RunFailed, match=r"did not start: Extra inputs are not permitted: kv_cache_config\.frac"):
        make_llm("model", "pytorch", {"kv_cache_config": {"frac": 1}})


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorrt_llm", None)
    with pytest.raises(NotReady, match="pip install tensorrt-llm"):
        make_llm("model", "pytorch", {})
