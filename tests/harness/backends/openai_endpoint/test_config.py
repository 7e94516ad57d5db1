"""Addresses, commands and the builder: what the config says is checked before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from llm_case import make_llm_run

from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.builder import OpenAIEndpointBuilder
from harness.backends.openai_endpoint.command import server_command
from mlperf_registry.schema.backends.openai_endpoint import OpenAIEndpointOptions
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("host:8000", Address("host", 8000), "http://host:8000"),
        ("http://host", Address("host", 80), "http://host"),
        ("https://host/v1", Address("host", 443, True), "https://host"),
        ("https://gate.way/models/a/v1/", Address("gate.way", 443, True, "/models/a"), "https://gate.way/models/a"),
        ("http://[::1]:30000", Address("::1", 30000), "http://[::1]:30000"),
    ],
)
def test_addresses(text, address, shown):
    assert Address.parse(text) == address
    assert str(address) == shown


def build(folder, urls=(), command=()):
    values = {"llm.trtllm_server_urls": list(urls), "backend.options.server_command": list(command)}
    recipe = Recipe(
        backend="openai_endpoint",
        library_version="none",
        builder="b",
        builder_version=1,
        device="cpu",
        model_path="",
        model_sha256="none",
        values=values,
    )
    return json.loads((folder / OpenAIEndpointBuilder().build(recipe, folder)).read_text())


def test_an_engine_is_the_word_of_its_servers(tmp_path):
    assert build(tmp_path, ["a:1", "b:2"]) == {"servers": ["a:1", "b:2"], "command": []}
    assert build(tmp_path, command=["vllm"]) == {"servers": [], "command": ["vllm"]}


@pytest.mark.parametrize(
    ("urls", "command", "words"),
    [
        ([], [], "is empty, and so is backend.options.server_command"),
        (["a:1"], ["vllm"], "is set together with backend.options.server_command"),
        (["ftp://a"], [], "'ftp://a' has the scheme 'ftp', not http or https"),
        (["http://a:x"], [], "has a port that is no number"),
        (["http://:80"], [], "names no host"),
        (["http://user:sk-1@a"], [], r"'a' must be no more than .* a key belongs in \$OPENAI_API_KEY"),
        ([], ["my-server"], "must have {port} in it"),
    ],
)
def test_servers_that_cannot_be(tmp_path, urls, command, words):
    with pytest.raises(ConfigError, match=words) as raised:
        build(tmp_path, urls, command)
    assert "sk-1" not in str(raised.value)


def command_of(command, *, weights="trained", precision="fp16", flags=None, llm=None):
    run = make_llm_run(
        {
            "folder": "/",
            "test": "performance",
            "settings": {"scenario": "Offline", "offline_expected_qps": 1.0},
            "flags": flags or {},
            "llm": llm or {},
        }
    )
    workload = run.workload
    backend = attrs.evolve(workload.backend, options=OpenAIEndpointOptions(server_command=tuple(command)))
    model = attrs.evolve(workload.model, weights=weights)
    builder = attrs.evolve(workload.builder, precision=PerComponent({"resnet50": precision}))
    workload = attrs.evolve(workload, backend=backend, model=model, builder=builder)
    return server_command(workload, lambda: Path("/models/m"), 4711)


def test_a_complete_command_is_taken_as_it_is():
    assert command_of(["serve", "-p", "{port}", "--model={model}"]) == ["serve", "-p", "4711", "--model=/models/m"]


def test_vllm_gets_what_the_workload_says():
    command = command_of(
        ["/opt/bin/vllm", "--max-model-len", "4096"],
        weights="random",
        precision="fp8",
        flags={"max_batch_size": 512, "max_num_tokens": 8192},
        llm={"tensor_parallelism": 2},
    )
    assert command[:3] == ["/opt/bin/vllm", "serve", "/models/m"]
    assert command[-2:] == ["--max-model-len", "4096"]
    words = " ".join(command)
    for said in (
        "--port 4711",
        "--tensor-parallel-size 2",
        "--max-num-seqs 512",
        "--max-num-batched-tokens 8192",
        "--no-enable-prefix-caching",
        "--quantization fp8",
        "--load-format dummy",
    ):
        assert said in words


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("trtllm-serve", "trtllm-serve /models/m --host 127.0.0.1 --port 4711 --max_batch_size 64"),
        ("llama-server", "llama-server --model /models/m --host 127.0.0.1 --port 4711 --alias resnet50 --parallel 64"),
    ],
)
def test_other_servers_that_are_known(program, words):
    assert " ".join(command_of([program], flags={"max_batch_size": 64})) == words
