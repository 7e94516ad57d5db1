"""Addresses, commands and the builder: what the config says is checked before anything runs."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from unittest.mock import Mock

import attrs
import pytest
from llm_case import make_llm_run

from harness.backends.openai_endpoint import warden
from harness.backends.openai_endpoint.address import Address
from harness.backends.openai_endpoint.builder import OpenAIEndpointBuilder
from harness.backends.openai_endpoint.command import reuses_nothing, server_command
from harness.backends.openai_endpoint.server import free_port
from mlperf_registry.compose.document import load_yaml
from mlperf_registry.schema.backends.openai_endpoint import OpenAIEndpointOptions
from mlperf_registry.schema.components import PerComponent
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import ConfigError
from mlperf_registry.schema.sections.llm import BuildFlags


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
        ([], ["vllm", "--api-key", "sk-1"], r"has a key in it .*\n?.*\$OPENAI_API_KEY"),
        ([], ["my-server", "{port}", "--api_key=sk-1"], "has a key in it"),
    ],
)
def test_servers_that_cannot_be(tmp_path, urls, command, words):
    with pytest.raises(ConfigError, match=words) as raised:
        build(tmp_path, urls, command)
    assert "sk-1" not in str(raised.value)


def command_of(
    command,
    *,
    weights="trained",
    precision="fp16",
    flags=None,
    llm=None,
    folder=Path("/"),
    scenario="Server",
    place=None,
):
    run = make_llm_run(
        {
            "folder": "/",
            "test": "performance",
            "scenario": scenario,
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
    return server_command(workload, lambda: place or Path("/models/m"), 4711, folder)


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_complete_command_is_taken_as_it_is():
    assert command_of(["serve", "-p", "{port}", "--model={model}"]) == ["serve", "-p", "4711", "--model=/models/m"]


def test_vllm_gets_what_the_workload_says(checkpoint):
    command = command_of(
        ["/opt/bin/vllm", "--max-model-len", "4096"],
        weights="random",
        precision="fp8",
        flags={"max_batch_size": 512, "max_num_tokens": 8192, "enable_chunked_context": True},
        llm={"tensor_parallelism": 2, "moe_expert_parallelism": 2},
        place=checkpoint,
    )
    assert command[:3] == ["/opt/bin/vllm", "serve", str(checkpoint)]
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
        "--enable-expert-parallel",
        "--enable-chunked-prefill",
    ):
        assert said in words


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("llama-server", "llama-server --model /models/m --host 127.0.0.1 --port 4711 --alias resnet50 --parallel 64"),
    ],
)
def test_other_servers_that_are_known(program, words):
    assert " ".join(command_of([program], flags={"max_batch_size": 64})) == words


def test_vllm_streams_in_large_pieces_where_nobody_waits_for_tokens(checkpoint):
    llm = {"trtllm_build_flags": BuildFlags(max_seq_len=4096)}
    assert "--stream-interval 512" in " ".join(command_of(["vllm"], scenario="Offline", place=checkpoint))
    assert "--stream-interval" not in command_of(["vllm"], place=checkpoint)
    assert "--max-model-len 4096" in " ".join(command_of(["vllm"], llm=llm, place=checkpoint))


def test_trtllm_serve_reuses_no_blocks(tmp_path):
    flags = {"max_batch_size": 64, "kvcache_free_gpu_mem_frac": 0.8}
    command = command_of(["trtllm-serve"], flags=flags, folder=tmp_path, scenario="Offline")
    file = tmp_path / "trtllm-serve.yaml"
    assert " ".join(command) == (
        "trtllm-serve /models/m --host 127.0.0.1 --port 4711 --max_batch_size 64 "
        f"--kv_cache_free_gpu_memory_fraction 0.8 --extra_llm_api_options {file}"
    )
    assert load_yaml(file).tree == {
        "dtype": "float16",
        "kv_cache_config": {"enable_block_reuse": False, "free_gpu_memory_fraction": 0.8},
        "stream_interval": 512,
    }
    assert reuses_nothing(("trtllm-serve", "--log_level", "error"))


def test_trtllm_serve_is_told_what_tensorrt_llm_is_told_in_process(tmp_path):
    flags = {"moe_backend": "CUTLASS", "cuda_graph_batch_sizes": (1, 2), "batch_scheduler_policy": "max_util"}
    llm = {"tensor_parallelism": 2, "trtllm_build_flags": BuildFlags(max_seq_len=4096, tokens_per_block=32)}
    command = command_of(["trtllm-serve"], flags=flags, llm=llm, folder=tmp_path, precision="fp8", weights="random")
    assert "--tp_size 2 --max_batch_size 16 --max_seq_len 4096 --extra_llm_api_options" in " ".join(command)
    assert load_yaml(tmp_path / "trtllm-serve.yaml").tree == {
        "kv_cache_config": {"enable_block_reuse": False, "tokens_per_block": 32},
        "load_format": "dummy",
        "scheduler_config": {"capacity_scheduler_policy": "MAX_UTILIZATION"},
        "cuda_graph_config": {"batch_sizes": [1, 2]},
        "moe_config": {"backend": "CUTLASS"},
    }


def test_what_a_path_has_in_it_is_no_flag(tmp_path):
    for more, interval in (["--log_file", "/tmp/--backend/a"], 512), (["--backend=tensorrt"], None):
        command_of(["trtllm-serve", *more], folder=tmp_path, scenario="Offline")
        assert load_yaml(tmp_path / "trtllm-serve.yaml").tree.get("stream_interval") == interval


def test_trtllm_serve_with_options_of_ones_own(tmp_path):
    own = ["trtllm-serve", "--config=mine.yaml"]
    assert "--extra_llm_api_options" not in command_of(own, folder=tmp_path)
    assert not any(tmp_path.iterdir())
    assert not any(map(reuses_nothing, [tuple(own), ("trtllm-serve", "-p", "{port}"), ("a", "{port}"), ()]))


def test_a_servers_port_is_none_that_the_system_gives_away():
    ports = {free_port() for _ in range(20)}
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < lowest for port in ports) and len(ports) > 1


def test_a_request_to_end_that_comes_before_the_server_is_there(monkeypatch):
    class Started:
        """A server that ends when it is told to; its keeper is told while it starts it."""

        pid = 4711

        def __init__(self, command, **more):
            signal.raise_signal(signal.SIGTERM)

        def wait(self, seconds=None):
            return -told[0][1] if told else pytest.fail("the server was never told to end")

    told = []
    monkeypatch.setattr(warden.subprocess, "Popen", Started)
    monkeypatch.setattr(warden, "_signal", lambda group, number: told.append((group, number)))
    monkeypatch.setattr(warden.threading, "Thread", lambda **more: Mock())
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert warden.main(["serve"]) == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert told[0] == (4711, signal.SIGTERM)
