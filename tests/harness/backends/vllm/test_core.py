"""VllmCore against the stand-in: answers whole and streamed, refusals, and an engine that dies in each way it can."""

from __future__ import annotations

import threading
from functools import partial

import attrs
import numpy as np
import pytest

from harness.backends.vllm.core import VllmCore
from harness.backends.vllm.library import make_engine
from harness.llm.core import Bounded
from harness.llm.request import Generation, Request
from mlperf_registry.schema.problem import NotReady, RunFailed

WHOLE = Generation(max_tokens=6, min_tokens=6, ignore_eos=True)
STREAMED = attrs.evolve(WHOLE, streaming=True)
DIES, IS_KILLED, ABORTS = 666, 667, 668
"""First tokens of prompts that do something to the stand-in."""


@pytest.fixture
def opened(vllm, collected):
    cores = []

    def open_core(generation, **arguments):
        core = VllmCore("GPU 0", partial(make_engine, "checkpoint", arguments, None))
        cores.append(core)
        core.open(generation, collected)
        return core

    yield open_core
    for core in cores:
        core.close()


def requests(*prompts):
    return [Request(number, np.array(prompt, np.int32)) for number, prompt in enumerate(prompts)]


def expected(prompt, tokens=6):
    return [sum(prompt) + number for number in range(tokens)]


@pytest.mark.parametrize("generation", [WHOLE, STREAMED])
def test_every_request_is_answered_once_with_its_own_tokens(opened, collected, generation):
    core = opened(generation, max_num_seqs=16)
    prompts = [[number, 7] for number in range(100)]
    core.submit(requests(*prompts)[:60])
    core.submit(requests(*prompts)[60:])
    collected.wait(100)
    assert {number: answer.tolist() for number, answer in collected.done.items()} == {
        number: expected(prompt) for number, prompt in enumerate(prompts)
    }
    assert all(answer.dtype == np.int32 for answer in collected.done.values())
    assert collected.tokens == 600
    if generation.streaming:
        assert {number: tokens.tolist() for number, tokens in collected.first.items()} == {
            number: expected(prompt, 1) for number, prompt in enumerate(prompts)
        }
    else:
        assert not collected.first


def test_an_engine_that_dies_while_a_request_comes_fails_it(opened, collected):
    core = opened(WHOLE)

    class Slow(dict):
        """Pending requests; the engine dies while one is put there."""

        def __setitem__(self, number, said):
            watch = threading.Thread(target=core._die, args=(RuntimeError("it was killed"),))
            watch.start()
            watch.join(0.1)
            super().__setitem__(number, said)

    core._pending = Slow()
    core.submit(requests([1]))
    collected.wait(1)
    assert "it was killed" in collected.failed[0]


def test_a_stream_reports_its_first_token_and_its_end_only(opened, vllm):
    core = opened(STREAMED)
    assert core._engine.asked.stream_interval > STREAMED.max_tokens


def test_a_streamed_answer_of_one_token_has_its_first_token(opened, collected):
    opened(attrs.evolve(STREAMED, max_tokens=1, min_tokens=1)).submit(requests([1]))
    collected.wait(1)
    assert collected.first[0].tolist() == collected.done[0].tolist() == [1]


def test_a_stop_token_ends_an_answer_and_is_part_of_it(opened, collected):
    opened(Generation(max_tokens=6, stop_token_ids=(12,))).submit(requests([10]))
    collected.wait(1)
    assert collected.done[0].tolist() == [10, 11, 12]


def test_a_prompt_that_is_too_long_fails_alone(opened, collected):
    opened(WHOLE, max_model_len=10).submit(requests([1] * 10, [1]))
    collected.wait(2)
    assert list(collected.done) == [1]
    assert "longer than the maximum model length of 10" in collected.failed[0]


def test_how_long_a_prompt_and_its_answer_may_be_is_known_once_open(opened):
    core = opened(WHOLE, max_model_len=10)
    assert isinstance(core, Bounded) and core.longest == 10


def test_a_request_that_vllm_gives_up_fails_with_its_reason(opened, collected):
    opened(STREAMED).submit(requests([ABORTS]))
    collected.wait(1)
    assert "'abort'" in collected.failed[0]
    assert not collected.first


@pytest.mark.parametrize(("prompt", "words"), [(DIES, "EngineCore encountered"), (IS_KILLED, "its process ended")])
def test_a_dead_engine_fails_what_it_had_and_takes_nothing_more(opened, collected, prompt, words):
    core = opened(WHOLE)
    core.submit(requests([1], [prompt], [2]))
    collected.wait(3)
    assert words in collected.failed[1]
    with pytest.raises(RunFailed, match="has stopped"):
        core.submit([Request(9, np.array([1], np.int32))])


def test_closing_with_requests_under_way_does_not_hang(opened, collected, monkeypatch):
    monkeypatch.setenv("MLPERF_STANDIN_STEP_S", "30")
    core = opened(WHOLE)
    core.submit(requests([1]))
    core.close()
    assert core._engine.engine_core.ended


def test_an_engine_that_does_not_start_is_one_sentence(vllm, collected):
    core = VllmCore("GPU 0", partial(make_engine, "broken", {}, None))
    with pytest.raises(RunFailed, match=r"did not start: Engine core initialization failed"):
        core.open(WHOLE, collected)
    core.close()


def test_an_unknown_engine_argument_is_named(vllm):
    with pytest.raises(RunFailed, match=r"engine_args.*no_such_argument"):
        make_engine("checkpoint", {"no_such_argument": 1}, (0, 1), WHOLE)


def test_without_vllm_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vllm", None)
    with pytest.raises(NotReady, match="pip install vllm"):
        make_engine("checkpoint", {}, None, WHOLE)


def test_devices_and_arguments_reach_the_engine(vllm):
    engine = make_engine("checkpoint", {"tensor_parallel_size": 2, "quantization": "fp8"}, (2, 3), WHOLE)
    asked = engine.asked
    assert (asked.model, asked.device_ids, asked.tensor_parallel_size) == ("checkpoint", [2, 3], 2)
    assert (asked.quantization, asked.skip_tokenizer_init) == ("fp8", True)


def test_a_long_answer_shows_life_where_nothing_streams(opened, collected):
    opened(Generation(max_tokens=1500, ignore_eos=True)).submit(requests([1]))
    collected.wait(1)
    assert collected.tokens == len(collected.done[0]) == 1500
    assert not collected.first
