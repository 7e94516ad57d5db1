"""server_command(): the command line of a server that we start, complete or completed from the workload."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from harness.backends.openai_endpoint.credentials import VARIABLE
from harness.backends.tensorrt_llm.arguments import READS as TRTLLM_READS
from harness.backends.tensorrt_llm.arguments import load_arguments, merged, run_arguments
from harness.backends.vllm.arguments import engine_arguments, engine_flags
from harness.llm.request import LONG_ANSWER
from harness.llm.unsaid import refuse_unsaid
from mlperf_registry import plugins
from mlperf_registry.schema.problem import ConfigError, Problem
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import values_at

_PORT, _MODEL = "{port}", "{model}"
HOST = "127.0.0.1"
_COMMAND = "backend.options.server_command"
_KEY = "--api-key"
_TRTLLM_FILES = ("--extra_llm_api_options", "--config")
"""By which trtllm-serve is named a file of options; older releases have the first alone."""
_TRTLLM_FLAGS = {
    "tensor_parallel_size": "--tp_size",
    "pipeline_parallel_size": "--pp_size",
    "moe_expert_parallel_size": "--ep_size",
    "max_batch_size": "--max_batch_size",
    "max_num_tokens": "--max_num_tokens",
    "max_seq_len": "--max_seq_len",
}
"""Arguments of TensorRT-LLM's that trtllm-serve has a flag for."""
_TRTLLM_SHARE = "--kv_cache_free_gpu_memory_fraction"
_TRTLLM_SAID = (*_TRTLLM_FLAGS, "kv_cache_config.free_gpu_memory_fraction")


def server_command(workload: Workload, model: Callable[[], Path], port: int, folder: Path) -> list[str]:
    """Program and arguments of the workload's server.

    A command with ``{port}`` is taken as it is. Else its program must be one of PRESETS, and its arguments come after
    those that follow from the workload.

    Args:
        workload: see ``backend.options.server_command``.
        model: makes what ``{model}`` stands for; not called where nothing does.
        port: what ``{port}`` stands for.
        folder: where a file of options is written, for servers that take some of them from no other place.

    Raises:
        ConfigError: as ``check_command``, and as vLLM's ``engine_arguments``; NotReady as this and ``model``.
    """
    command = workload.backend.options.server_command
    program, *more = command
    check_command(command)
    model = cache(model)
    if not any(_PORT in word for word in command):
        command = (program, *PRESETS[Path(program).name].words(workload, folder, model), *more)
    if any(_MODEL in word for word in command):
        place = str(model())
        command = tuple(word.replace(_MODEL, place) for word in command)
    return [word.replace(_PORT, str(port)) for word in command]


def check_command(command: tuple[str, ...]) -> None:
    """Refuse a command that could not be told where to listen, or that has a key in it, which everybody would see.

    Raises:
        ConfigError: with the known programs, or where a key belongs.
    """
    if any(word.partition("=")[0].replace("_", "-") == _KEY for word in command):
        message = f"has a key in it ({_KEY}), which results, logs and the list of processes would show"
        hint = (
            f"the server has our environment: say its key there, $VLLM_API_KEY or $LLAMA_API_KEY, and ours, ${VARIABLE}"
        )
        raise ConfigError([Problem(_COMMAND, message, hint=hint)])
    if command and not any(_PORT in word for word in command) and Path(command[0]).name not in PRESETS:
        message = f"must have {_PORT} in it, where the server is told its port"
        hint = f"only {', '.join(PRESETS)} need none: their arguments are known"
        raise ConfigError([Problem(_COMMAND, message, hint=hint)])


def reuses_nothing(command: tuple[str, ...]) -> bool:
    """Whether a server of ours was started so that no request takes over the KV cache of an earlier one."""
    return bool(command) and Path(command[0]).name == "trtllm-serve" and _takes_our_file(command)


def check_words(workload: Workload) -> None:
    """Refuse what is set for an engine, and a server that is known by its name alone has no word for.

    Raises:
        ConfigError: for each such field.
    """
    command = workload.backend.options.server_command
    if not command or any(_PORT in word for word in command):
        return
    program = Path(command[0]).name
    preset = PRESETS.get(program)
    if preset is None:  # which check_command says
        return
    words = (*preset.reads, *(preset.in_file if _takes_our_file(command) else ()))
    refuse_unsaid(workload, words, program, f"at the end of {_COMMAND}")


def _vllm(workload: Workload, folder: Path, model: Callable[[], Path]) -> list[str]:
    values = values_at(workload, plugins.backend("vllm").reads)
    return [
        *("serve", _MODEL, "--host", HOST, "--port", _PORT, "--served-model-name", workload.benchmark.id),
        *(("--stream-interval", str(LONG_ANSWER)) if workload.scenario.name == "Offline" else ()),
        "--no-enable-prefix-caching",
        *engine_flags(engine_arguments(values, model())),
        *(("--skip-tokenizer-init",) if workload.model.weights == "random" else ()),
    ]


def _trtllm_serve(workload: Workload, folder: Path, model: Callable[[], Path]) -> list[str]:
    values = values_at(workload, plugins.backend("tensorrt_llm").reads)
    arguments = merged(load_arguments(values), run_arguments(workload.llm))
    return [
        *(_MODEL, "--host", HOST, "--port", _PORT),
        *(word for name, flag in _TRTLLM_FLAGS.items() for word in _given(flag, arguments.get(name))),
        *_given(_TRTLLM_SHARE, arguments["kv_cache_config"].get("free_gpu_memory_fraction")),
        *_trtllm_file(workload, arguments, folder / "trtllm-serve.yaml"),
    ]


def _trtllm_file(workload: Workload, arguments: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    command = workload.backend.options.server_command
    if not _takes_our_file(command):
        return ()
    # With the whole of kv_cache_config, since it replaces what the command line says of it.
    options = {name: value for name, value in arguments.items() if name not in _TRTLLM_FLAGS}
    own = any(word.partition("=")[0] == "--backend" for word in command)  # only the PyTorch path has an interval
    if workload.scenario.name == "Offline" and not own:
        options["stream_interval"] = LONG_ANSWER
    # JSON is YAML as well.
    file.write_text(json.dumps(options, indent=1) + "\n", encoding="utf-8")
    return _TRTLLM_FILES[0], str(file)


def _takes_our_file(command: tuple[str, ...]) -> bool:
    # It takes one file: where the config names one, ours would be lost, or would replace it.
    return not any(_PORT in word for word in command) and not any(
        word.partition("=")[0] in _TRTLLM_FILES for word in command
    )


def _llama_server(workload: Workload, folder: Path, model: Callable[[], Path]) -> list[str]:
    return [
        *("--model", _MODEL, "--host", HOST, "--port", _PORT, "--alias", workload.benchmark.id),
        *_given("--parallel", workload.llm.trtllm_runtime_flags.max_batch_size),
    ]


@attrs.frozen
class Preset:
    """A server whose arguments follow from a workload."""

    words: Callable[[Workload, Path, Callable[[], Path]], list[str]]
    """Given the workload, the run's folder and the model."""
    reads: tuple[str, ...]
    """Paths of the workload that the words stand for."""
    in_file: tuple[str, ...] = ()
    """Those that only a file of options says, which is ours unless the command names another."""


PRESETS = {
    "vllm": Preset(_vllm, plugins.backend("vllm").reads),
    "trtllm-serve": Preset(
        _trtllm_serve,
        # Without a dtype of our file's, a precision is the checkpoint's.
        ("builder.precision", *(path for path, name in TRTLLM_READS.items() if name in _TRTLLM_SAID)),
        tuple(TRTLLM_READS),
    ),
    "llama-server": Preset(_llama_server, ("builder.precision", "llm.trtllm_runtime_flags.max_batch_size")),
}
"""By program."""


def _given(flag: str, value: object) -> tuple[str, ...]:
    return () if value is None else (flag, str(value))
