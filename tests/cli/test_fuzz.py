"""A thousand mutated command lines and configurations: never a traceback, and no mistake passes in silence."""

import contextlib
import io
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlperf_registry import Registry
from mlperf_registry.cli.main import main

pytestmark = pytest.mark.slow

GOOD = (
    "benchmark=resnet50",
    "benchmark=mini",
    "scenario=Server",
    "scenario=singlestream",
    "scenario=interactive",
    "accuracy_target=99.9",
    "power_setting=maxq",
    "system=L4x1",
    "system=auto",
    "harness=triton",
    "backend=tensorrt",
    "mode=submission",
    "mode=test_run",
    "tuned_round=v4.1",
    "round=v5.1",
    "loadgen.min_duration=40min",
    "loadgen.server_target_qps=100",
    "builder.gpu_batch_size=8",
    "runtime.deque_timeout_usec=2ms",
    "runtime.use_graphs=true",
    "division=open",
    "category=edge",
    "loadgen.min_query_count=null",
)
WRONG_VALUES = (
    "loadgen.min_duration=10",
    "loadgen.min_duration=ten",
    "loadgen.min_duration=-5s",
    "loadgen.min_duration=1.5ns",
    "loadgen.server_target_qps=fast",
    "loadgen.server_target_qps=-1",
    "loadgen.server_target_qps=nan",
    "loadgen.server_target_qps=true",
    "loadgen.test_mode=Perf",
    "loadgen.min_query_count=1.5",
    "loadgen.server_target_latency_percentile=100.1",
    "builder.gpu_batch_size=2.0",
    "builder.gpu_batch_size=0",
    "builder.gpu_batch_size=[1]",
    "builder.gpu_batch_size={resnet51: 4}",
    "builder.precision=fp33",
    "builder.active_sms=101",
    "builder.workspace_size=7",
    "builder.workspace_size=7GiBs",
    "runtime.use_graphs=1",
    "runtime.use_graphs='true'",
    "runtime.deque_timeout_usec=2.5",
    "runtime.deque_timeout_usec=1s2ms",
    "runtime=5",
    "loadgen=[1,2]",
    "division=ajar",
    "category=office",
    "data.sample_count=all",
    "model.weights=heavy",
    "power.power_limit=0",
)


@cache
def names() -> dict[str, list[str]]:
    registry = Registry.load()
    groups = {group: list(registry.library.options(group)) for group in registry.library.groups if group != "tuned"}
    return {
        "groups": list(groups),
        "options": [f"{group}={option}" for group, options in groups.items() for option in options],
        "paths": list(registry.fields()),
    }


def damage(draw: st.DrawFn, text: str, *, first: int = 0) -> str:
    """``text`` with a letter lost, doubled, or made a q."""
    at = draw(st.integers(first, len(text) - 1))
    kind = draw(st.sampled_from(("lost", "doubled", "q")))
    middle = {"lost": "", "doubled": text[at] * 2, "q": "q"}[kind]
    return text[:at] + middle + text[at + 1 :]


@st.composite
def mistakes(draw: st.DrawFn) -> str:
    """A word that must be refused."""
    kind = draw(st.sampled_from(("value", "value", "option", "option", "option", "key", "flag")))
    if kind == "value":
        return draw(st.sampled_from(WRONG_VALUES))
    if kind == "flag":
        return "--" + draw(st.text("abcdefgz-", min_size=3, max_size=8)) + "q"
    if kind == "option":
        group, _, option = draw(st.sampled_from(names()["options"])).partition("=")
        return f"{group}={damage(draw, option)}qz"
    return f"{damage(draw, draw(st.sampled_from(names()['groups'] + names()['paths'])))}zq=1"


def answer(argv: list[str]) -> tuple[int, str]:
    """Exit code and everything printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(argv)
    return code, out.getvalue()


def assert_in_words(code: int, text: str) -> None:
    assert code in {0, 2, 3}, text
    assert "Traceback" not in text
    assert "This should not happen" not in text


def fuzz(examples: int) -> settings:
    """The same examples every time, and as many as are asked for."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


START = st.sampled_from(
    (["validate"], ["run", "--dry-run"], ["run", "-m", "--dry-run"], ["harness", "--dry-run", "--json"])
)
WORDS = st.lists(st.sampled_from(GOOD), max_size=4, unique_by=lambda word: word.partition("=")[0])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@fuzz(250)
@given(START, WORDS)
def test_good_words_in_any_combination_are_answered(start, words):
    assert_in_words(*answer([*start, *words]))


@fuzz(350)
@given(START, WORDS, mistakes(), st.integers(0, 4))
def test_one_mistake_among_good_words_is_always_refused(start, words, mistake, at):
    key = mistake.partition("=")[0]
    # A later word of the same key would hide the mistake, as anybody expects of a command line.
    words = [word for word in words if word.partition("=")[0] != key]
    code, text = answer([*start, *words[:at], mistake, *words[at:]])
    assert_in_words(code, text)
    assert code == 2, f"{mistake} passed in silence"


ANY_START = st.sampled_from(
    (
        ["validate"],
        ["explain"],
        ["list", "cells"],
        ["diff", "scenario=offline"],
        ["report"],
        ["run", "-m", "--dry-run"],
        ["run", "--cfg"],
        [],
    )
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@fuzz(150)
@given(ANY_START, st.lists(TEXT, min_size=1, max_size=3))
def test_any_text_at_all_is_answered(start, words):
    assert_in_words(*answer([*start, *words]))


SYSTEM = (
    "# @package _global_\nsystem:\n  id: box\n  description: A box\n  devices: [cpu]\n  category: edge\n"
    "  accelerator_count: 0\n  aliases: [kiste]\nbuilder: {gpu_batch_size: 4}\nruntime:\n  gpu_inference_streams: 2\n"
    "  warmup_duration: 2s\nloadgen: {server_target_qps: 100.5}\n"
)
SPOILERS = (
    "\t", "}", "[", ": :", "&a *b", "!!python/object:os.system x", "${oops}", "${.x}", "nul", "1e3", "-", "~: 1",
    "defaults: [x]", "\x0c", "{a: 1, a: 2}", "é: ü", "? 1", "|", "hydra: {run: {dir: x}}", "system: 5",
)  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """SYSTEM with a line lost or doubled, a character changed, or something put in."""
    lines = SYSTEM.splitlines(keepends=True)
    at = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(("lost", "doubled", "damaged", "spoiled", "cut")))
    if kind == "lost":
        del lines[at]
    elif kind == "doubled":
        lines.insert(at, lines[at])
    elif kind == "damaged":
        lines[at] = damage(draw, lines[at])
    elif kind == "spoiled":
        column = draw(st.integers(0, len(lines[at]) - 1))
        lines[at] = lines[at][:column] + draw(st.sampled_from(SPOILERS)) + lines[at][column:]
    text = "".join(lines)
    return text[: draw(st.integers(0, len(text)))] if kind == "cut" else text


@fuzz(250)
@given(spoiled())
def test_a_spoiled_configuration_file_is_answered(tmp_path, text):
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "box.yaml").write_text(text, encoding="utf-8")
    assert_in_words(*answer(["validate", "--systems", str(folder), "system=box"]))


KEYS = (
    "id:",
    "description:",
    "devices:",
    "category:",
    "accelerator_count:",
    "aliases:",
    "gpu_batch_size:",
    "warmup_duration:",
)


@pytest.mark.parametrize("key", KEYS)
def test_a_mistyped_key_of_a_file_is_refused_with_its_place(tmp_path: Path, key):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "box.yaml").write_text(SYSTEM.replace(key, f"{key[:-1]}s:"))
    code, text = answer(["validate", "--systems", str(folder), "system=box"])
    assert code == 2
    assert "mine/box.yaml:" in text
