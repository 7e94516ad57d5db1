"""One build, in a process of its own: an exported ONNX network to an engine, by the library's own builder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.backends.tensorrt_edgellm.library import load_runtime
from mlperf_registry.schema.problem import MlperfError, RunFailed


def compile_engine(onnx_dir: Path, engine_dir: Path, *, batch_size: int, input_len: int, capacity: int) -> None:
    """Write the engine, its configuration and the tokeniser into ``engine_dir``.

    Raises:
        NotReady: as ``load_runtime``.
        RunFailed: when the library builds no engine; it has said why on stderr.
    """
    runtime = load_runtime()
    config = runtime.LLMBuilderConfig()
    config.max_batch_size = batch_size
    config.max_input_len = input_len
    config.max_kv_cache_capacity = capacity
    if not runtime.LLMBuilder(onnx_dir, engine_dir, config).build():
        raise RunFailed(f"TensorRT Edge-LLM built no engine from {onnx_dir}.")


def main(argv: Sequence[str]) -> int:
    """The process. Errors go to stderr, which is the build's log."""
    parser = argparse.ArgumentParser(prog="compile")
    parser.add_argument("--onnx-dir", type=Path, required=True)
    parser.add_argument("--engine-dir", type=Path, required=True)
    for flag in ("--max-batch-size", "--max-input-len", "--max-kv-cache-capacity"):
        parser.add_argument(flag, type=int, required=True)
    given = parser.parse_args(argv)
    try:
        compile_engine(
            given.onnx_dir,
            given.engine_dir,
            batch_size=given.max_batch_size,
            input_len=given.max_input_len,
            capacity=given.max_kv_cache_capacity,
        )
    except MlperfError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
