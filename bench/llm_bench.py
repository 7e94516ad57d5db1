"""Bench: what the rows of one command share: configuration, rows measured before, an engine, LoadGen's runs over it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from bench.gpu_watch import Watch as GpuWatch
from bench.llm_cell import ANSWER, workload_of
from bench.llm_server import PORT, serving
from bench.row import Row, Rows
from bench.say import say
from harness.backends.vllm.core import VllmCore
from harness.backends.vllm.library import sampling_params
from harness.backends.vllm.runner import VllmRunner
from harness.benchmarks.dataset import Ragged
from harness.llm.core import Core
from harness.llm.engine_file import EngineFile
from harness.llm.generation import generation_of
from harness.loadgen.child import run_test
from harness.loadgen.events import Events
from harness.loadgen.runner import Runner
from harness.loadgen.supervise import Watch
from mlperf_registry import plugins
from mlperf_registry.atomic import write_json
from mlperf_registry.detail_log import DETAIL_LOG, read_detail_log
from mlperf_registry.digest import config_digest
from mlperf_registry.execute.engine import build
from mlperf_registry.execute.progress import Silent
from mlperf_registry.execute.run_folder import create_run_folder
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.run import RUN_SCHEMA, LoadGenTest, Run
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure


class Bench:
    """One command: its configuration, what was measured before, and the engine that its rows share."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.build_dir: Path = asked.build_dir.resolve()
        self._llm: Any = None
        self._server: contextlib.ExitStack | None = None
        self._rows = Rows(asked.out)

    # Configuration.

    def workload(self, *overrides: str) -> Workload:
        """The cell with the command's overrides and these."""
        return workload_of(self.asked.samples, (*overrides, *self.asked.overrides))

    @property
    def prompts(self) -> Ragged:
        """All prompts, as the data set has them."""
        dataset = plugins.open_dataset(self.workload("backend=vllm"), None)
        column = dataset.load(np.arange(len(dataset)))["input_ids"]
        assert isinstance(column, Ragged)
        return column

    # Results.

    def keep(self, name: str, row: Row) -> None:
        """Write a row, and say it."""
        self._rows.keep(name, row, self.asked.command)
        say(f"{name}: {row}")

    def detail(self, name: str) -> dict[str, Any] | None:
        """What a row, of this command or one before it, found."""
        row = self._rows.row(name)
        return None if row is None else row["detail"]

    def offline_rate(self, name: str) -> float:
        """Samples/s that Server's shares are of: those given, or those of a row; SystemExit where neither is there."""
        if self.asked.offline:
            return float(self.asked.offline)
        row = self._rows.beside(name, "measure it here first, or give --offline SAMPLES_PER_S.")
        return float(row["detail"]["rate"])

    # In this process.

    def llm(self) -> Any:
        """``vllm.LLM`` with the arguments that our backend gives its engine."""
        if self._llm is None:
            engine = self.engine("backend=vllm")
            file = EngineFile.read(engine)
            os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
            from vllm import LLM

            begun = time.monotonic()
            # Requests that stream then report their first token and their end, as our backend asks for it; those of
            # LLM.generate report their end alone, whatever it is.
            interval = ANSWER + 1
            self._llm = LLM(model=file.checkpoint, skip_tokenizer_init=True, stream_interval=interval, **file.arguments)
            say(f"vLLM loaded in {time.monotonic() - begun:.0f} s with {file.arguments}")
            self.generate(min(256, self.asked.samples))  # whatever it still compiles at its first prompts
        return self._llm

    def generate(self, samples: int) -> dict[str, float]:
        """One turn of ``LLM.generate`` on the first prompts; the prompts are made before the clock runs."""
        run = self.run_of(self.workload("backend=vllm", "scenario=offline"), None)
        params = sampling_params(generation_of(run))
        column = self.prompts
        prompts = [{"prompt_token_ids": column.row(number).tolist()} for number in range(samples)]
        llm = self.llm()
        begun = time.monotonic()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        seconds = time.monotonic() - begun
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        return {"tokens_per_second": tokens / seconds, "seconds": seconds, "tokens": tokens, "samples": samples}

    def engine(self, *overrides: str) -> Engine:
        """The product's engine of the cell."""
        return build(self.workload(*overrides), self.build_dir, Silent())

    # LoadGen.

    def run_of(self, workload: Workload, engine: Engine | None, **changes: Any) -> Run:
        """A run of the workload, its settings those of the product's plan but for ``changes``."""
        settings = make_plan(workload).performance
        settings = attrs.evolve(settings, performance_sample_count_override=self.asked.samples, **changes)
        folder = create_run_folder(self.build_dir, workload)
        absent = Engine(key="", path="", file="", sha256="", reused=True, why="")
        run = Run(
            schema=RUN_SCHEMA,
            run_id=folder.run_id,
            workload=workload,
            config_digest=config_digest(workload),
            engine=absent if engine is None else engine,
            tests={"performance": LoadGenTest(mode="PerformanceOnly", settings=settings, log_dir="performance/run_1")},
            scratch=None,
            folder=str(folder.path),
        )
        write_json(folder.path / "run.json", unstructure(run))
        return run

    def play(self, run: Run, runner: Runner | None) -> dict[str, Any]:
        """LoadGen's run in this process; figures of its detail log, and what the harness has to complain of."""
        folder = Path(run.folder)
        with (folder / "events.jsonl").open("wb") as told, GpuWatch() as gpu:
            events = Events(told.fileno())
            begun = time.monotonic()
            watch = Watch(events)
            with reporting(watch):
                run_test(run, "performance", events, watch, runner=runner)
            state = gpu.between(begun, time.monotonic())
        log = read_detail_log(folder / "performance/run_1" / DETAIL_LOG)
        events_seen = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        failures = [reason for event in events_seen if event["event"] == "done" for reason in event["failures"]]
        return {
            "valid": log.validity == "VALID" and not failures and not log.errors,
            "validity": log.validity,
            "reasons": [*log.invalid_reasons, *log.errors, *failures],
            "metrics": {metric.name: metric.value for metric in log.metrics(run.workload.scenario.name)},
            "gpu": state,
            "folder": str(folder),
            "results": {key: value for key, value in log.values.items() if key.startswith("result_")},
        }

    def offline_run(self, runner: Callable[[], Runner] | None, *overrides: str) -> dict[str, Any]:
        """Offline: each prompt once."""
        workload = self.workload("scenario=offline", *overrides)
        changes = {"min_query_count": self.asked.samples, "min_duration_ms": 0, "offline_expected_qps": 1.0}
        run = self.run_of(workload, self.engine("scenario=offline", *overrides), **changes)
        found = self.play(run, None if runner is None else runner())
        rate = found["metrics"]["result_samples_per_second"]
        return {"samples_per_second": rate, "tokens_per_second": rate * ANSWER, **found}

    def server_run(self, qps: float, runner: Callable[[], Runner] | None, *overrides: str) -> dict[str, Any]:
        """Server at a rate, for so long as the command says."""
        workload = self.workload("scenario=server", *overrides)
        seconds = self.asked.seconds
        changes = {
            "min_query_count": ceil(qps * seconds),
            "min_duration_ms": int(seconds * 1000),
            "server_target_qps": qps,
        }
        run = self.run_of(workload, self.engine("scenario=server", *overrides), **changes)
        found = self.play(run, None if runner is None else runner())
        return {"target_qps": qps, "target_tokens_per_second": qps * ANSWER, **found}

    def shared_runner(self) -> Runner:
        """Our runner over the engine that is loaded."""
        return SharedRunner(self.llm())

    # Behind a server.

    def url(self) -> str:
        """Address of ``vllm serve`` with the same engine arguments, started where it does not run yet."""
        if self._server is None:
            self.end_llm()
            file = EngineFile.read(self.engine("backend=vllm"))
            name = self.workload("backend=vllm").benchmark.id
            server = contextlib.ExitStack()
            server.enter_context(serving(shlex.split(self.asked.vllm), file, name, self.build_dir))
            self._server = server
        return f"http://127.0.0.1:{PORT}"

    def end_llm(self) -> None:
        """Give the GPU back."""
        if self._llm is not None:
            self._llm.llm_engine.engine_core.shutdown()
            self._llm = None
            time.sleep(5)

    def close(self) -> None:
        """End whatever runs."""
        self.end_llm()
        if self._server is not None:
            self._server.close()


class SharedRunner(VllmRunner):
    """Our runner over an engine that is open already and stays so."""

    def __init__(self, llm: Any) -> None:
        super().__init__()
        self._llm = llm

    def cores(self, run: Run) -> Sequence[Core]:
        return [VllmCore("GPU 0", lambda generation: self._llm.llm_engine, owned=False)]


@contextlib.contextmanager
def reporting(watch: Watch) -> Iterator[None]:
    """Progress events twice a second meanwhile, as the child's main thread sends them: its cost belongs to the run."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(0.5):
            watch.report()

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
