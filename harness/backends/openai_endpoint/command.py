"""server_command(): the command line of a server that we start, complete or completed from the workload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.workload import Workload

_PORT, _MODEL = "{port}", "{model}"
HOST = "127.0.0.1"


def server_command(workload: Workload, model: Callable[[], Path], port: int) -> list[str]:
    """Program and arguments of the workload's server.

    A command with ``{port}`` is taken as it is. Else its program must be one of PRESETS, and its arguments come after
    those that follow from the workload.

    Args:
        workload: see ``backend.options.server_command``.
        model: makes what ``{model}`` stands for; not called where nothing does.
        port: what ``{port}`` stands for.

    Raises:
        ConfigError: for another program without ``{port}``.
    """
    command = workload.backend.options.server_command
    program, *more = command
    if not any(_PORT in word for word in command):
        check_command(command)
        command = (program, *PRESETS[Path(program).name](workload), *more)
    if any(_MODEL in word for word in command):
        folder = str(model())
        command = tuple(word.replace(_MODEL, folder) for word in command)
    return [word.replace(_PORT, str(port)) for word in command]


def check_command(command: tuple[str, ...]) -> None:
    """Refuse a command that could not be told where to listen.

    Raises:
        ConfigError: with the known programs.
    """
    if command and not any(_PORT in word for word in command) and Path(command[0]).name not in PRESETS:
        message = f"must have {_PORT} in it, where the server is told its port"
        hint = f"only {', '.join(PRESETS)} need none: their arguments are known"
        raise ConfigError([Problem("backend.options.server_command", message, hint=hint)])


def _vllm(workload: Workload) -> list[str]:
    llm, flags = workload.llm, workload.llm.trtllm_runtime_flags
    return [
        *("serve", _MODEL, "--host", HOST, "--port", _PORT, "--served-model-name", workload.benchmark.id),
        *_given("--tensor-parallel-size", llm.tensor_parallelism),
        *_given("--pipeline-parallel-size", llm.pipeline_parallelism),
        *_given("--max-num-seqs", flags.max_batch_size),
        *_given("--max-num-batched-tokens", flags.max_num_tokens),
        "--no-enable-prefix-caching",
        *(("--quantization", "fp8") if _is_fp8(workload) else ()),
        *(("--load-format", "dummy", "--skip-tokenizer-init") if workload.model.weights == "random" else ()),
    ]


def _trtllm_serve(workload: Workload) -> list[str]:
    llm, flags = workload.llm, workload.llm.trtllm_runtime_flags
    return [
        *(_MODEL, "--host", HOST, "--port", _PORT),
        *_given("--tp_size", llm.tensor_parallelism),
        *_given("--pp_size", llm.pipeline_parallelism),
        *_given("--ep_size", llm.moe_expert_parallelism),
        *_given("--max_batch_size", flags.max_batch_size),
        *_given("--max_num_tokens", flags.max_num_tokens),
        *_given("--kv_cache_free_gpu_memory_fraction", flags.kvcache_free_gpu_mem_frac),
    ]


def _llama_server(workload: Workload) -> list[str]:
    return [
        *("--model", _MODEL, "--host", HOST, "--port", _PORT, "--alias", workload.benchmark.id),
        *_given("--parallel", workload.llm.trtllm_runtime_flags.max_batch_size),
    ]


PRESETS = {"vllm": _vllm, "trtllm-serve": _trtllm_serve, "llama-server": _llama_server}
"""Program to the arguments that follow from a workload."""


def _given(flag: str, value: object) -> tuple[str, ...]:
    return () if value is None else (flag, str(value))


def _is_fp8(workload: Workload) -> bool:
    precision = workload.builder.precision
    return precision is not None and set(precision.values()) == {"fp8"}
