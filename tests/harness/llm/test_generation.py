"""How answers are made: the benchmark's limits, more tokens where accuracy may have them, streams where they count."""

from __future__ import annotations

import pytest
from llm_case import make_llm_run

from harness.llm.generation import generation_of

OPTIONS = {
    "max_output_tokens": 128,
    "min_output_tokens": 2,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "sampling_seed": 42,
    "stop_token_ids": (2, 3),
    "ignore_eos": False,
}


def generation(scenario="Offline", *, tokens=True, mode="PerformanceOnly", **options):
    settings = {"scenario": scenario, "use_token_latencies": tokens}
    case = {"folder": "/nowhere", "test": "test", "mode": mode, "settings": settings, "options": {**OPTIONS, **options}}
    return generation_of(make_llm_run(case))


def test_limits_and_sampling_are_the_benchmarks():
    made = generation()
    assert (made.max_tokens, made.min_tokens, made.stop_token_ids, made.ignore_eos) == (128, 2, (2, 3), False)
    assert (made.temperature, made.top_p, made.top_k, made.seed) == (0.5, 0.9, 40, 42)


def test_an_answer_without_an_end_of_its_own_has_no_other_either():
    made = generation(ignore_eos=True)
    assert (made.stop_token_ids, made.ignore_eos) == ((), True)


@pytest.mark.parametrize(("longest", "in_pieces"), [(512, False), (513, True)])
def test_a_long_answer_is_reported_in_pieces(longest, in_pieces):
    assert generation(max_output_tokens=longest).in_pieces is in_pieces
    assert generation("Server", max_output_tokens=longest).in_pieces


@pytest.mark.parametrize(
    ("scenario", "tokens", "streaming"),
    [("Offline", True, False), ("Server", True, True), ("SingleStream", True, True), ("Server", False, False)],
)
def test_answers_stream_where_token_latencies_count(scenario, tokens, streaming):
    assert generation(scenario, tokens=tokens).streaming is streaming


@pytest.mark.parametrize(("mode", "limit"), [("AccuracyOnly", 512), ("PerformanceOnly", 128)])
def test_an_accuracy_run_may_have_a_limit_of_its_own(mode, limit):
    assert generation(mode=mode, max_output_tokens_accuracy=512).max_tokens == limit
