"""Bench: what the rows of ``python -m bench gpu`` share: a cell, its bare engine, and the product's own run."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from bench.gpu_cell import merged, workload
from bench.row import Row
from bench.say import say
from mlperf_registry.execute.engine import build
from mlperf_registry.execute.job import execute
from mlperf_registry.execute.length import Length
from mlperf_registry.execute.plan import plan_for
from mlperf_registry.execute.progress import TokenProgress
from mlperf_registry.execute.readiness import require_ready
from mlperf_registry.schema.result import RunResult

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Bench:
    """A command: what is measured, and where engines and results go."""

    overrides: tuple[str, ...]
    build_dir: Path
    seconds: float
    bare_seconds: float
    keep: Callable[[str, Row], None]
    """Writes a row at once, for a command that knows one before its last."""
    asked: argparse.Namespace

    def bare(
        self, *overrides: str, latency: bool = False, streams: Sequence[int] = (), kinds: Sequence[str] = ()
    ) -> dict[str, Any]:
        """What ``bench.bare_engine`` finds with the cell's plan."""
        cell = merged([*self.overrides, *overrides])
        command = [sys.executable, "-m", "bench.bare_engine", "--build-dir", str(self.build_dir)]
        command += ["--seconds", str(self.bare_seconds), *(["--latency"] if latency else [])]
        command += ["--streams", *map(str, streams)] if streams else []
        command += ["--kinds", *kinds] if kinds else []
        done = subprocess.run([*command, "--", *cell], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environ())
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}")
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def bare_rate(self) -> float:
        """Samples/s of the bare engine, streams and graphs as the cell has them."""
        runtime = workload(self.overrides).runtime
        streams = runtime.gpu_inference_streams or 1
        kind = "graphs" if runtime.use_graphs else "enqueued"
        (rate,) = self.bare(streams=[streams], kinds=[kind])["samples_per_second"].values()
        return float(rate)

    def build(self, *overrides: str) -> None:
        """Have the cell's engine."""
        build(workload([*self.overrides, *overrides]), self.build_dir, Told())

    def run(self, *overrides: str, told: Told | None = None) -> RunResult:
        """The product's own run; ``told`` knows afterwards when it was."""
        cell, told = workload([*self.overrides, *overrides]), told or Told()
        require_ready(cell)
        plan = plan_for(cell, told)
        result = execute(cell, plan, build(cell, self.build_dir, told), self.build_dir, told)
        print(f"{'; '.join(result.reasons) or 'VALID'}: {result.log_dir}", file=sys.stderr, flush=True)
        return result


class Told:
    """A Progress in lines, for logs."""

    def __init__(self) -> None:
        self.run_from: float | None = None
        """time.monotonic() of the first query."""
        self.run_until: float | None = None
        """And of the last answer, to half a second: what LoadGen does after it is no longer the run."""
        self._completed = 0
        self._next = 0.0

    def phase(self, name: str, detail: str = "") -> None:
        say(f"{name}: {detail}")

    def samples(
        self, *, completed: int, rate: float, elapsed: float, length: Length, tokens: TokenProgress | None = None
    ) -> None:
        now = time.monotonic()
        if self.run_from is None:
            self.run_from = now - elapsed
        if completed > self._completed:
            self._completed, self.run_until = completed, now
        if now >= self._next:
            self._next = now + 10
            print(f"  {elapsed:.0f} s, {rate:,.0f} samples/s", file=sys.stderr, flush=True)

    def note(self, message: str) -> None:
        print(f"  {message}", file=sys.stderr, flush=True)


def environ() -> dict[str, str]:
    """For processes that find the modules that this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])}
