"""An engine of OpenVINO: the tokens that numpy finds for the same weights, streamed and whole; and what is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_gguf import CONTEXT, likeliest, write_llama

from harness.backends.openvino.builder import OpenVINOBuilder
from harness.backends.openvino.core import OpenVINOCore, Tuning
from harness.llm.core import Bounded
from harness.llm.request import Generation, Request
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import NotReady, RunFailed

pytest.importorskip("openvino_genai")

EXACT = Tuning(
    properties={"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"},
    max_num_batched_tokens=32,
    max_num_seqs=4,
)
PROMPTS = [[5, 9, 33], [71, 2, 2, 40, 17, 60, 8], list(range(1, 50)), [44]]


class Reports:
    """A Listener that remembers."""

    def __init__(self, count: int) -> None:
        self.first, self.done, self.failed, self.tokens = {}, {}, {}, 0
        self._left, self.all = count, threading.Event()

    def first_token(self, ids, tokens):
        self.first.update(zip(ids, (some.tolist() for some in tokens), strict=True))

    def progress(self, tokens):
        self.tokens += tokens

    def finish(self, ids, outputs):
        self.done.update(zip(ids, (output.tolist() for output in outputs), strict=True))
        self._end(len(ids))

    def fail(self, ids, reason):
        self.failed.update(dict.fromkeys(ids, reason))
        self._end(len(ids))

    def _end(self, count):
        self._left -= count
        if not self._left:
            self.all.set()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of an engine, and its weights."""
    folder = tmp_path_factory.mktemp("engine")
    weights = write_llama(folder / "tiny.gguf")
    assert OpenVINOBuilder().build(recipe(folder / "tiny.gguf"), folder) == "openvino_model.bin"
    return folder, weights


def recipe(model: Path) -> Recipe:
    return Recipe(
        backend="openvino",
        library_version="1",
        builder="",
        builder_version=1,
        device="cpu",
        model_path=str(model),
        model_sha256="",
        values={},
    )


def answers(folder: Path, generation: Generation) -> Reports:
    core, reports = OpenVINOCore(folder, EXACT), Reports(len(PROMPTS))
    core.open(generation, reports)
    try:
        assert isinstance(core, Bounded)
        assert core.longest == CONTEXT
        core.submit([Request(number, np.array(prompt, np.int32)) for number, prompt in enumerate(PROMPTS)])
        assert reports.all.wait(60)
    finally:
        core.close()
    assert not reports.failed
    assert reports.tokens == sum(map(len, reports.done.values()))
    return reports


@pytest.mark.parametrize("streaming", [False, True])
def test_answers_are_the_likeliest_tokens(built, streaming: bool) -> None:
    folder, weights = built
    found = answers(folder, Generation(max_tokens=6, ignore_eos=True, streaming=streaming))
    assert found.done == {number: likeliest(weights, prompt, 6) for number, prompt in enumerate(PROMPTS)}
    firsts = {number: tokens[:1] for number, tokens in found.done.items()} if streaming else {}
    assert {number: tokens[:1] for number, tokens in found.first.items()} == firsts


def test_an_answer_ends_with_its_stop_token(built) -> None:
    folder, weights = built
    whole = [likeliest(weights, prompt, 6) for prompt in PROMPTS]
    stop = whole[0][2]
    found = answers(folder, Generation(max_tokens=6, stop_token_ids=(stop,)))
    wanted = {n: one[: one.index(stop) + 1] if stop in one else one for n, one in enumerate(whole)}
    assert found.done == wanted


def test_closing_gives_up_what_is_under_way(built) -> None:
    core = OpenVINOCore(built[0], EXACT)
    core.open(Generation(max_tokens=100, ignore_eos=True), Reports(1))
    core.submit([Request(0, np.array([1], np.int32))])
    core.close()


def test_an_engine_that_fails_ends_what_is_under_way_and_takes_no_more(built) -> None:
    core, reports = OpenVINOCore(built[0], EXACT), Reports(1)
    core.open(Generation(max_tokens=6, ignore_eos=True), reports)
    try:
        core.submit([Request(0, np.array([], np.int32))])
        assert reports.all.wait(60)
        assert "OpenVINO" in reports.failed[0]
        with pytest.raises(RunFailed, match="OpenVINO"):
            core.submit([Request(1, np.array([1], np.int32))])
    finally:
        core.close()


def test_a_missing_engine_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="mlperf build"):
        OpenVINOCore(tmp_path, EXACT).open(Generation(max_tokens=1), Reports(0))


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    write_llama(tmp_path / "m.gguf", **{"general.architecture": "mamba"})
    with pytest.raises(NotReady, match="mamba"):
        OpenVINOBuilder().build(recipe(tmp_path / "m.gguf"), tmp_path)
