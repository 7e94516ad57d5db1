"""serving(): one ``vllm serve`` for a bench, with the arguments of an engine file of ours."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.say import say
from harness.backends.vllm.arguments import engine_flags
from harness.llm.engine_file import EngineFile

PORT = 8137
STARTING_SECONDS = 400.0
"""The longest that a server may take to answer."""


@contextlib.contextmanager
def serving(vllm: Sequence[str], file: EngineFile, name: str, build_dir: Path) -> Iterator[None]:
    """``vllm serve`` in a process group of its own, which answers; its log is vllm-serve.log in the build folder."""
    command = [*vllm, "serve", file.checkpoint]
    command += ["--host", "127.0.0.1", "--port", str(PORT), "--served-model-name", name, "--skip-tokenizer-init"]
    command += ["--disable-uvicorn-access-log"]
    command += engine_flags(file.arguments)
    log = build_dir / "vllm-serve.log"
    say(f"{shlex.join(command)} > {log}")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ}
        )
    try:
        deadline = time.monotonic() + STARTING_SECONDS
        begun = time.monotonic()
        while not answers(f"http://127.0.0.1:{PORT}/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").splitlines()[-30:]
                raise RuntimeError("vllm serve did not start. It says:\n" + "\n".join(lines))
            time.sleep(1)
        say(f"vllm serve answers after {time.monotonic() - begun:.0f} s")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def answers(url: str) -> bool:
    """Whether a server says 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
