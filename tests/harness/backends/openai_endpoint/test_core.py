"""What a server is found to be before a run, and how a core asks it then."""

from __future__ import annotations

import json
import os
import signal
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from asking import Heard, requests
from scripted_server import MODEL, ScriptedServer, answer, choice, sound, usage

from harness.backends.openai_endpoint import core as endpoint
from harness.backends.openai_endpoint import worker
from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.core import EndpointCore, Wanted
from harness.backends.openai_endpoint.exchange import Limits
from harness.llm.checkpoint import end_tokens
from harness.llm.core import Bounded
from harness.llm.request import Generation, Request
from mlperf_registry.registry import Registry
from mlperf_registry.schema.problem import NotReady, RunFailed


def no_tokenizer():
    raise NotReady("There is no tokeniser.")


@pytest.fixture
def open_core(tmp_path):
    """``open_core(server, generation={}, **wanted)`` -> (EndpointCore, Heard), closed at the end."""
    cores = []

    def open_core(server, generation=None, **wanted):
        given = {
            "benchmark": "model-1b",
            "model_path": None,
            "model_name": None,
            "api": None,
            "kind": None,
            "limits": Limits(connections=16, retries=1, silence_s=5.0),
            "processes": 1,
            "tokenizer": no_tokenizer,
        }
        core = EndpointCore(Address.parse(server.url), Wanted(**{**given, **wanted}), record=tmp_path / "client.jsonl")
        cores.append(core)
        heard = Heard()
        core.open(Generation(**{"max_tokens": 8, "streaming": True, **(generation or {})}), heard)
        return core, heard

    yield open_core
    for core in cores:
        core.close()


def refusing(*paths):
    def behave(asked, wire):
        if asked.path in paths:
            wire.error(404, "Not Found")
        else:
            sound(asked, wire)

    return behave


def models(*names, **more):
    return [{"id": name, **more} for name in names]


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ({}, "/inference/v1/generate"),
        ({"behave": refusing("/inference/v1/generate")}, "/v1/completions"),
        ({"models": models(MODEL, owned_by="tensorrt_llm")}, "/v1/completions"),
    ],
    ids=["vLLM", "an older vLLM", "TensorRT-LLM"],
)
def test_the_best_api_that_the_server_has(open_core, server, path):
    with ScriptedServer(**server) as running:
        core, heard = open_core(running)
        core.submit(requests(3))
        heard.wait(3)
        assert running.asked[-1].path == path
        assert not heard.failed


def test_a_server_of_text_needs_the_tokeniser(open_core):
    with (
        ScriptedServer(
            lambda asked, wire: sound(asked, wire, text=True), models=models(MODEL, owned_by="llamacpp")
        ) as server,
        pytest.raises(NotReady, match=r"There is no tokeniser\."),
    ):
        open_core(server)


def test_chat_sends_text(open_core):
    def behave(asked, wire):
        text = asked.body["messages"][0]["content"]
        assert asked.path == "/v1/chat/completions"
        if not asked.streams:
            wire.json({"choices": [{"message": {"content": text}, "token_ids": [1, 2]}], "usage": usage(2)})
            return
        wire.stream_head()
        wire.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        wire.event({"choices": [{"delta": {"content": text}, "token_ids": [len(text), 2], "finish_reason": "stop"}]})
        wire.event(b"[DONE]")
        wire.end()

    with ScriptedServer(behave) as server:
        core, heard = open_core(server, api="chat")
        prompt = np.array([1], np.int32)
        core.submit([Request(0, prompt, "four"), Request(1, prompt)])
        heard.wait(2)
    assert heard.outputs == {0: [4, 2]}
    assert heard.failed == {1: "The server is sent prompts as text, and the data set has token ids only."}


def test_a_server_that_takes_no_token_ids_is_sent_text(open_core):
    def behave(asked, wire):
        if isinstance(asked.body.get("prompt"), str):
            sound(asked, wire)
        else:
            wire.error(422, "Input should be a valid string")

    with ScriptedServer(behave) as server:
        core, heard = open_core(server)
        core.submit([Request(0, np.array([1], np.int32), "four")])
        heard.wait(1)
        assert server.asked[-1].body["prompt"] == "four"
    assert heard.outputs == {0: answer([4])}


@pytest.mark.parametrize(("status", "asked"), [(500, 1), (429, 1), (404, 3)])
def test_a_server_that_answers_to_nothing_says_why(open_core, status, asked):
    with ScriptedServer(lambda asked, wire: wire.error(status, "no GPU")) as server:
        with pytest.raises(NotReady) as raised:
            open_core(server)
        assert str(raised.value).count(f" answered {status}: no GPU.") == asked == len(server.asked)


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda asked, wire: wire.head(Content_Length=100), r"broke off its answer to /inference/v1/generate \("),
        (lambda asked, wire: None, r"broke off its answer to /inference/v1/generate \(the connection ended"),
        (
            lambda asked, wire: time.sleep(1),
            r"said nothing to /inference/v1/generate for 0\.2 s \(backend.options",
        ),
    ],
)
def test_a_server_that_runs_is_not_said_not_to(open_core, behave, words):
    server = ScriptedServer(lambda asked, wire: (behave(asked, wire), wire.close()))
    with server, pytest.raises(NotReady, match=words):
        open_core(server, limits=Limits(connections=1, retries=0, silence_s=0.2))


@pytest.mark.parametrize(
    ("names", "wanted", "words"),
    [
        (["other/Model-7B"], {}, "serves no model that is known as model-1b's; its models: other/Model-7B"),
        ([], {}, "its models: none"),
        (["a/model-1b", "b/Model_1B"], {}, "serves several models that may be model-1b's"),
        (["my-model-1b"], {}, "serves no model that is known as model-1b's"),
        (["model-1b-lora"], {}, "serves no model that is known as model-1b's"),
        (["model-1b-instruct-distill"], {}, "serves no model that is known as model-1b's"),
        (["a/Model-1B"], {"model_path": "models/Model-1B-Instruct"}, "serves no model that is known as model-1b's"),
        (["v/Other"], {"architecture": "other-7b"}, "serves no model that is known as model-1b's"),
        (["meta-llama/Llama-3.1-8B-Instruct"], {"benchmark": "llama3.1-8b-mini"}, "serves no model that is known"),
        (["Smol"], {"model_path": "Smol-2-instruct.Q4_1.gguf"}, "serves no model that is known"),
        (["a/model-1b"], {"model_name": "b"}, r"does not serve b \(backend.options.model_name\)"),
    ],
)
def test_a_server_with_another_model(open_core, names, wanted, words):
    with ScriptedServer(models=models(*names)) as server, pytest.raises(NotReady, match=words):
        open_core(server, **wanted)


def test_the_models_own_name_goes_before_one_like_it(open_core):
    with ScriptedServer(models=models("v/Model-1B-fp8", "v/My-Tuned.gguf", owned_by="vllm")) as server:
        core, heard = open_core(server, model_path="/some/where/My-Tuned")
        core.submit(requests(1))
        heard.wait(1)
        assert server.asked[-1].body["model"] == "v/My-Tuned.gguf"


@pytest.mark.parametrize(
    ("benchmark", "served"),
    [
        ("llama3.1-8b-mini", "llama3.1-8b-mini"),
        ("llama3.1-8b-mini", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("llama3.1-405b", "nvidia/Llama-3.1-405B-Instruct-FP8"),
        ("llama3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama3.1-8b-edge", "/models/Meta-Llama-3.1-8B-Instruct"),
        ("llama2-70b-interactive", "meta-llama/Llama-2-70b-chat-hf"),
        ("gptj", "EleutherAI/gpt-j-6b"),
        ("mixtral-8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("gpt-oss-120b", "openai/gpt-oss-120b"),
    ],
)
def test_usual_names_of_the_models(open_core, benchmark, served):
    model = Registry.load().get(benchmark=benchmark, backend="openai_endpoint", system="generic_cpu").model
    with ScriptedServer(models=models(served, owned_by="vllm")) as server:
        core, heard = open_core(server, benchmark=benchmark, model_path=model.path, architecture=model.architecture)
        core.submit(requests(1))
        heard.wait(1)
        assert server.asked[-1].body["model"] == served


def test_a_limit_that_the_server_cannot_keep(open_core):
    with ScriptedServer(models=models(MODEL, owned_by="someone")) as server:
        with pytest.raises(NotReady, match=r"benchmark\.options\.ignore_eos"):
            open_core(server, {"ignore_eos": True})
        with pytest.raises(NotReady, match=r"benchmark\.options\.min_output_tokens"):
            open_core(server, {"min_tokens": 5})


@pytest.mark.parametrize("made_by", ["someone", "llamacpp"])
def test_end_tokens_that_the_server_cannot_be_told(open_core, made_by):
    with (
        ScriptedServer(models=models(MODEL, owned_by=made_by)) as server,
        pytest.raises(NotReady, match=r"tokens 7, 8 .*benchmark\.options\.stop_token_ids=\[\]"),
    ):
        open_core(server, {"stop_token_ids": (7, 8)}, ends=lambda: (8,))


@pytest.mark.parametrize("made_by", ["someone", "llamacpp"])
def test_end_tokens_that_are_the_models_own(open_core, made_by):
    with ScriptedServer(models=models(MODEL, owned_by=made_by)) as server:
        core, heard = open_core(server, {"stop_token_ids": (7, 8)}, ends=lambda: (8, 7))
        core.submit(requests(1))
        heard.wait(1)
        assert "stop_token_ids" not in server.asked[-1].body


def test_a_model_says_its_own_end_tokens(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 3}))
    assert end_tokens(tmp_path) == (3,)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [3, 5]}))
    assert end_tokens(tmp_path) == (3, 5)
    key = b"tokenizer.ggml.eos_token_id"
    pair = struct.pack("<Q", len(key)) + key + struct.pack("<II", 4, 2)  # a number of 32 bits
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + pair)
    assert end_tokens(tmp_path / "model.gguf") == (2,)


@pytest.mark.parametrize(
    ("made_by", "wanted", "said"),
    [
        ("vllm", {}, []),
        ("llamacpp", {}, []),
        ("tensorrt_llm", {"reuses_nothing": True}, []),
        ("tensorrt_llm", {}, ["Whether {} takes over the KV cache"]),
        ("someone", {}, ["Whether {} takes over the KV cache"]),
    ],
)
def test_what_is_not_known_of_a_server_is_said(open_core, made_by, wanted, said):
    with ScriptedServer(models=models(MODEL, owned_by=made_by)) as server:
        core, _ = open_core(server, **wanted)
        core.close()
    assert len(core.remarks) == len(said)
    assert all(remark.startswith(words.format(server.url)) for remark, words in zip(core.remarks, said, strict=True))


def test_whose_count_of_tokens_it_is_is_said(open_core, monkeypatch):
    monkeypatch.setattr(
        endpoint, "encoder", lambda path: lambda text: np.array([int(word[1:]) for word in text.split()], np.int32)
    )
    with ScriptedServer(
        lambda asked, wire: sound(asked, wire, text=True), models=models(MODEL, owned_by="llamacpp")
    ) as server:
        core, heard = open_core(server, tokenizer=lambda: Path("tokenizer.json"))
        core.submit(requests(3))
        heard.wait(3)
        core.close()
    assert core.remarks == [
        f"{server.url} answers with text: its {heard.tokens} tokens are those that model.tokenizer_path makes of it, "
        f"and the server itself says {heard.tokens}."
    ]


@pytest.mark.parametrize("more", [{"max_model_len": 100}, {}])
def test_the_models_length_is_what_the_server_says(open_core, more):
    with ScriptedServer(models=models(MODEL, owned_by="vllm", **more)) as server:
        core, _ = open_core(server)
    assert isinstance(core, Bounded)
    assert core.longest == more.get("max_model_len")


def test_no_server_and_no_models(open_core):
    server = ScriptedServer()
    server.close()
    with pytest.raises(NotReady, match=f"No server answers at {server.url}"):
        open_core(server)
    with ScriptedServer(models="none") as server, pytest.raises(NotReady, match="is no OpenAI-compatible server"):
        open_core(server)


def test_a_key_that_is_not_accepted(open_core, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with ScriptedServer(key="sk-right") as server, pytest.raises(NotReady) as raised:
        open_core(server)
    assert "the key in $OPENAI_API_KEY is not accepted" in str(raised.value)
    assert "sk-wrong" not in str(raised.value)


def test_several_processes_share_the_requests(open_core, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with ScriptedServer(key="sk-secret") as server:
        core, heard = open_core(server, processes=3)
        for first in range(0, 300, 50):
            core.submit(requests(50, first))
        heard.wait(300)
        assert heard.outputs == {request.id: answer(request.prompt.tolist()) for request in requests(300)}
        assert heard.first.keys() == heard.outputs.keys()
        assert heard.tokens == sum(map(len, heard.outputs.values()))
        arguments = [Path(f"/proc/{client._process.pid}/cmdline").read_text() for client in core._clients]
        core.close()
    assert not any("sk-secret" in words for words in arguments)
    record = (tmp_path / "client.jsonl").read_text()
    assert json.loads(record)["answers"] == 300
    assert "sk-secret" not in record


def test_a_client_process_that_dies_fails_what_it_had(open_core):
    def behave(asked, wire):
        sound(asked, wire) if not asked.streams else wire._connection.recv(1)

    with ScriptedServer(behave) as server:
        core, heard = open_core(server, processes=2)
        core.submit(requests(10))
        os.kill(core._clients[0]._process.pid, signal.SIGKILL)
        heard.wait(5)
        assert set(heard.failed.values()) == {f"A client process of {server.url} ended."}
        core.submit(requests(2, 10))
        heard.wait(7)


def test_a_client_process_that_does_not_come_up(open_core, monkeypatch):
    monkeypatch.setattr(worker, "_START_SECONDS", 0.0)
    with ScriptedServer() as server, pytest.raises(RunFailed, match="was not ready within 0 s"):
        open_core(server, processes=2)


def test_closing_says_nothing_of_what_is_under_way(open_core):
    def behave(asked, wire):
        if asked.streams:
            wire.stream_head()
            wire.event({"choices": [choice([1])]})
            wire._connection.recv(1)
        sound(asked, wire)

    with ScriptedServer(behave) as server:
        core, heard = open_core(server)
        core.submit(requests(20))
        while len(heard.first) < 16:
            pass
        core.close()
    assert not heard.ends
