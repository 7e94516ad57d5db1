"""EdgeLlmCore against the simulated engine: every request ended once, its tokens its own, whatever the engine does."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest

from harness.backends.tensorrt_edgellm.core import IGNORE_EOS, EdgeLlmCore
from harness.backends.tensorrt_edgellm.prompt import raw_prompt
from harness.backends.tensorrt_edgellm.record import EngineRecord
from harness.llm.core import Bounded
from harness.llm.request import Generation, Request, Tokens
from mlperf_registry.schema.problem import ConfigError, NotReady, RunFailed

RECORD = EngineRecord(
    schema=1,
    folder="engine",
    engine_bytes=6,
    max_batch_size=4,
    max_input_len=100,
    max_kv_cache_capacity=132,
    eos_token_ids=(1, 2),
)
GREEDY = Generation(max_tokens=32)


class Recorder:
    """A Listener that remembers, and knows when all of the expected requests have ended."""

    def __init__(self) -> None:
        self.first: dict[int, Tokens] = {}
        self.outputs: dict[int, Tokens] = {}
        self.reasons: dict[int, str] = {}
        self.progressed = 0
        self._changed = threading.Condition()
        self._ends: list[int] = []

    def first_token(self, ids: Sequence[int], tokens: Sequence[Tokens]) -> None:
        assert not set(ids) & (set(self.first) | set(self._ends))
        self.first.update(zip(ids, tokens, strict=True))

    def progress(self, tokens: int) -> None:
        with self._changed:
            self.progressed += tokens

    def finish(self, ids: Sequence[int], outputs: Sequence[Tokens]) -> None:
        self.outputs.update(zip(ids, outputs, strict=True))
        self._end(ids)

    def fail(self, ids: Sequence[int], reason: str) -> None:
        self.reasons.update(dict.fromkeys(ids, reason))
        self._end(ids)

    def _end(self, ids: Sequence[int]) -> None:
        with self._changed:
            self._ends += ids
            self._changed.notify_all()

    def wait(self, count: int) -> list[int]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._ends) >= count, 20)
            return sorted(self._ends)


@pytest.fixture
def engine(tmp_path: Path, library: ModuleType) -> Path:
    folder = tmp_path / "engine"
    folder.mkdir()
    config = {"builder_config": {"max_batch_size": 4, "max_input_len": 100, "max_kv_cache_capacity": 132}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"id": 0, "content": "<s>", "special": True}]}))
    return folder


@attrs.define
class Opened:
    core: EdgeLlmCore
    listener: Recorder
    native: Any

    def ask(self, *texts: str | None) -> None:
        for number, text in enumerate(texts):
            tokens = np.array([0, *map(ord, text or "none")], np.int32)
            self.core.submit([Request(number, tokens, text)])


@pytest.fixture
def opened(engine: Path, library: ModuleType) -> Iterator[Any]:
    cores: list[EdgeLlmCore] = []

    def open_(generation: Generation = GREEDY, **more: Any) -> Opened:
        core, listener = EdgeLlmCore(engine, RECORD, **more), Recorder()
        core.open(generation, listener)
        cores.append(core)
        return Opened(core, listener, library.RequestEngine.made[-1])

    yield open_
    for core in cores:
        core.close()


def test_every_prompt_gets_its_own_answer(opened: Any) -> None:
    run = opened()
    texts = [f"prompt number {number}" for number in range(8)]
    run.ask(*texts)
    assert run.listener.wait(8) == list(range(8))
    assert {id_: bytes(output.tolist()).decode() for id_, output in run.listener.outputs.items()} == dict(
        enumerate(texts)
    )
    assert all(output.dtype == np.int32 for output in run.listener.outputs.values())
    assert run.listener.first == {}
    assert run.listener.progressed == sum(map(len, texts))
    assert run.native.decoded_together == 4  # a full batch, never more


def test_what_the_engine_is_given(opened: Any) -> None:
    run = opened(attrs.evolve(GREEDY, seed=7), cuda_graphs=False)
    run.ask("abc")
    run.listener.wait(1)
    (native,) = run.native.native
    assert native.requests[0].messages[0].contents == "<s>abc"
    assert native.requests[0].sampling_seed == 7
    assert (native.temperature, native.top_k, native.top_p) == (1.0, 1, 1.0)
    assert (native.max_generate_length, native.apply_chat_template) == (32, False)
    assert (run.native.graphs, run.native.reuse, run.native.seats) == (False, False, 4)


def test_sampling_is_handed_on(opened: Any) -> None:
    run = opened(Generation(max_tokens=8, temperature=0.6, top_k=20, top_p=0.9))
    run.ask("abc")
    run.listener.wait(1)
    (native,) = run.native.native
    assert (native.temperature, native.top_k, native.top_p) == (0.6, 20, 0.9)


def test_where_answers_stream_the_first_token_comes_before_the_end(opened: Any) -> None:
    run = opened(attrs.evolve(GREEDY, streaming=True))
    run.ask("first", "second")
    run.listener.wait(2)
    assert {id_: tokens.tolist() for id_, tokens in run.listener.first.items()} == {0: [ord("f")], 1: [ord("s")]}
    assert bytes(run.listener.outputs[0].tolist()) == b"first"


def test_no_more_is_submitted_than_the_engine_queues(opened: Any) -> None:
    run = opened()
    run.ask(*["some text"] * 60)
    run.listener.wait(60)
    assert len(run.listener.outputs) == 60
    assert run.native.most <= run.core.capacity == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("an error", "failed: the GPU fell off the bus"),
        ("vanish at once", "failed: an answer broke off after"),
        (None, "takes prompts as text, and the data set has none"),
        ("x" * 100, "has 101 tokens, and the engine takes 100"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_what_goes_wrong_fails_that_request_alone(opened: Any, text: str | None, words: str, streaming: bool) -> None:
    run = opened(attrs.evolve(GREEDY, streaming=streaming))
    run.ask("before", text, "after")
    assert run.listener.wait(3) == [0, 1, 2]
    assert words in run.listener.reasons[1]
    assert sorted(run.listener.outputs) == [0, 2]


def test_a_prompt_and_its_answer_that_do_not_fit_are_refused(opened: Any) -> None:
    run = opened(Generation(max_tokens=64))
    run.ask("x" * 70)
    run.listener.wait(1)
    assert "71 tokens and an answer of 64 do not fit into the engine's 132" in run.listener.reasons[0]


@pytest.mark.parametrize(("answer", "longest"), [(8, 108), (32, 132), (64, 132)])
def test_the_longest_prompt_with_its_answer_is_known_once_it_is_open(opened: Any, answer: int, longest: int) -> None:
    core = opened(Generation(max_tokens=answer)).core
    assert isinstance(core, Bounded)
    assert core.longest == longest


def test_another_tokeniser_than_the_data_set_s_is_found_out(opened: Any) -> None:
    run = opened()
    run.core.submit([Request(0, np.array([0, 9, 9], np.int32), "abc")])
    run.listener.wait(1)
    assert "makes 4 tokens of a prompt that has 3" in run.listener.reasons[0]


def test_closing_ends_what_is_under_way(opened: Any, library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "STEP_S", 0.5)
    run = opened()
    run.ask(*["some text"] * 30)
    threads = run.core._threads
    run.core.close()
    assert not any(thread.is_alive() for thread in threads)
    assert run.listener.outputs == {}


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        (Generation(max_tokens=8, min_tokens=2), "cannot put off the end of an answer"),
        (Generation(max_tokens=8, stop_token_ids=(2, 77)), "has 77, which the engine does not stop at"),
    ],
)
def test_a_way_to_answer_that_it_lacks_is_refused(opened: Any, generation: Generation, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        opened(generation)


def test_ignore_eos_is_said_to_the_runtime(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IGNORE_EOS, "0")
    opened(attrs.evolve(GREEDY, ignore_eos=True))
    assert os.environ[IGNORE_EOS] == "1"


def test_a_machine_that_no_build_fits_is_not_ready(opened: Any, library: ModuleType, monkeypatch: Any) -> None:
    monkeypatch.setattr(library, "UNFIT", True)
    with pytest.raises(NotReady, match=r"no runtime for this machine: .* Jetson Orin and Thor"):
        opened()


def test_an_engine_that_does_not_load_is_a_failure(engine: Path, library: ModuleType) -> None:
    core = EdgeLlmCore(engine, attrs.evolve(RECORD, max_batch_size=64))
    with pytest.raises(RunFailed, match="may not exceed the engine's built batch dimension"):
        core.open(GREEDY, Recorder())
    core.close()


def test_an_engine_without_its_tokeniser_is_not_ready(engine: Path) -> None:
    (engine / "tokenizer.json").unlink()
    with pytest.raises(NotReady, match="holds its tokeniser too"):
        EdgeLlmCore(engine, RECORD).open(GREEDY, Recorder())


@pytest.mark.parametrize(
    ("text", "first", "expected"),
    [("abc", 0, "<s>abc"), ("<s>abc", 0, "<s>abc"), ("abc", 97, "abc")],
)
def test_the_special_token_that_a_prompt_begins_with_is_put_in_front(text: str, first: int, expected: str) -> None:
    assert raw_prompt(text, np.array([first], np.int32), {0: "<s>"}) == expected
