"""``python -m bench llm ROW...``: a language model on a GPU through the harness, beside vLLM's own ``LLM.generate``.

Weights are random, so only the speed means something. The rows of one command share one engine, which takes minutes to
load: bare, offline and server in this process, endpoint-offline and endpoint-server behind one ``vllm serve``. Each row
is merged into one JSON file as soon as it is measured, and ``table`` prints what is in some of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
from statistics import mean
from typing import Any

import attrs
import numpy as np

from bench.gpu_watch import Watch as GpuWatch
from bench.row import Row, Rows, table
from harness.backends.vllm.arguments import engine_flags
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
from mlperf_registry import Registry, plugins
from mlperf_registry.atomic import write_json
from mlperf_registry.detail_log import DETAIL_LOG, read_detail_log
from mlperf_registry.digest import config_digest
from mlperf_registry.execute import job
from mlperf_registry.execute.progress import Silent
from mlperf_registry.execute.run_folder import create_run_folder
from mlperf_registry.rules.plan import make_plan
from mlperf_registry.schema.engine import Engine
from mlperf_registry.schema.run import RUN_SCHEMA, LoadGenTest, Run
from mlperf_registry.schema.workload import Workload
from mlperf_registry.structure import unstructure

RESULTS = Path("build/llm.json")
ROOT = Path(__file__).parents[1]

ANSWER = 128
"""Output tokens of each answer, as many as MLPerf's summaries may have."""

CELL = (
    "system=DGX-H100_H100-SXM-80GBx1",
    "benchmark=llama3.1-8b",
    "tuned_round=none",
    "mode=test_run",
    "model.weights=random",
    "builder.precision=fp8",
    "benchmark.options.ignore_eos=true",
    f"benchmark.options.min_output_tokens={ANSWER}",
    f"benchmark.options.max_output_tokens={ANSWER}",
    "loadgen.test_mode=PerformanceOnly",
    "runtime.warmup_duration=2s",
)
"""Overrides, as for ``mlperf run``; nothing of a tuned round, so that all that matters is said."""

PORT = 8137
STARTING_SECONDS = 400.0
"""The longest that a server may take to answer."""


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
        values = dict(text.split("=", 1) for text in CELL)
        values["data.sample_count"] = str(self.asked.samples)
        for text in (*overrides, *self.asked.overrides):
            key, _, value = text.partition("=")
            values[key] = value
        # The engine's and the client's options are given to one command; each configuration takes its own.
        options = attrs.fields_dict(plugins.load(str(plugins.backend(values["backend"]).options)))
        prefix = "backend.options."
        values = {
            key: value for key, value in values.items() if not key.startswith(prefix) or key[len(prefix) :] in options
        }
        registry = Registry.load()
        return registry.structure(registry.compose([f"{key}={value}" for key, value in values.items()]))

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
        return self._rows.detail(name)

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
        return job.build(self.workload(*overrides), self.build_dir, Silent())

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


def bare(bench: Bench) -> Row:
    """``vllm.LLM.generate`` on all prompts."""
    turn = bench.generate(bench.asked.samples)
    rate = turn["tokens_per_second"]
    arguments = EngineFile.read(bench.engine("backend=vllm")).arguments
    return Row(
        figure="bare vLLM, LLM.generate",
        bar="5,900 tokens/s",
        reached=f"{rate:,.0f} tokens/s, {turn['samples']:,.0f} prompts in {turn['seconds']:.1f} s",
        holds=rate >= 5_900,
        detail={"rate": rate, "turns": [turn], "arguments": arguments},
    )


def offline(bench: Bench) -> Row:
    """LoadGen Offline in process, between two turns of ``LLM.generate`` on the same prompts in the same engine."""
    known = bench.detail("bare")
    here = known is not None and bench.asked.fresh.get("bare")
    before = known["turns"][0] if here and known is not None else bench.generate(bench.asked.samples)
    found = bench.offline_run(bench.shared_runner, "backend=vllm")
    after = bench.generate(bench.asked.samples)
    return _over_bare("Offline over bare vLLM, in process", 0.98, found, [before, after])


def server(bench: Bench) -> Row:
    """LoadGen Server in process at shares of the Offline rate."""
    return _server(bench, "Server over Offline, in process", "offline", bench.shared_runner, "backend=vllm")


def endpoint_offline(bench: Bench) -> Row:
    """LoadGen Offline through ``vllm serve``, beside the turns of ``LLM.generate`` that were measured before."""
    turns = (bench.detail("offline") or bench.detail("bare") or {}).get("turns", [])
    found = bench.offline_run(None, *_endpoint(bench))
    return _over_bare("Offline over bare vLLM, through vllm serve", 0.95, found, turns)


def endpoint_server(bench: Bench) -> Row:
    """LoadGen Server through ``vllm serve`` at shares of the Offline rate."""
    return _server(bench, "Server over Offline, through vllm serve", "endpoint-offline", None, *_endpoint(bench))


def _endpoint(bench: Bench) -> tuple[str, ...]:
    return ("backend=openai_endpoint", f"llm.trtllm_server_urls=[{bench.url()}]")


def _over_bare(figure: str, least: float, found: dict[str, Any], turns: Sequence[dict[str, float]]) -> Row:
    rate = found["tokens_per_second"]
    alone = mean(turn["tokens_per_second"] for turn in turns) if turns else None
    ratio = None if alone is None else rate / alone
    said = "bare not measured" if alone is None else f"{ratio:.3f} of {alone:,.0f}"
    return Row(
        figure=figure,
        bar=f"{least}",
        reached=f"{rate:,.0f} tokens/s, {said}, {_validity(found)}",
        holds=ratio is not None and ratio >= least and bool(found["valid"]),
        detail={"ratio": ratio, "rate": found["samples_per_second"], "turns": list(turns), **found},
    )


def _server(bench: Bench, figure: str, beside: str, runner: Callable[[], Runner] | None, *overrides: str) -> Row:
    measured = bench.detail(beside) or bench.detail("offline")
    rate = bench.asked.offline or (measured or {}).get("rate")
    if rate is None:
        raise SystemExit(f"The row {beside} has not been measured: measure it first, or give --offline SAMPLES_PER_S.")
    runs: list[dict[str, Any]] = []
    for share in bench.asked.shares:
        found = bench.server_run(share * rate, runner, *overrides)
        results = found["results"]
        ttft = results.get("result_first_token_99.00_percentile_latency_ns", 0) / 1e6
        tpot = results.get("result_time_per_output_token_99.00_percentile_ns", 0) / 1e6
        reached = results.get("result_completed_tokens_per_second", 0.0) / (rate * ANSWER)
        runs.append({"asked": share, "share": reached, "ttft_p99_ms": ttft, "tpot_p99_ms": tpot, **found})
        say(f"  {share:.3f} asked: {_validity(found)}, {reached:.3f}, TTFT {ttft:.0f} ms, TPOT {tpot:.1f} ms (p99)")
    valid = [run for run in runs if run["valid"]]
    best = max(valid, key=lambda run: float(run["share"]), default=None)
    shown = best or runs[-1]
    figures = f"TTFT p99 {shown['ttft_p99_ms']:.0f} ms, TPOT p99 {shown['tpot_p99_ms']:.1f} ms"
    return Row(
        figure=figure,
        bar="0.88, VALID, TTFT 2 s, TPOT 100 ms",
        reached=f"{shown['share']:.3f} of {rate * ANSWER:,.0f} tokens/s completed, {_validity(shown)}, {figures}",
        holds=best is not None and best["share"] >= 0.88,
        detail={"offline": rate, "runs": runs},
    )


def _validity(found: dict[str, Any]) -> str:
    return "VALID" if found["valid"] else f"INVALID ({'; '.join(found['reasons'])[:200]})"


ROWS: dict[str, Callable[[Bench], Row]] = {
    "bare": bare,
    "offline": offline,
    "server": server,
    "endpoint-offline": endpoint_offline,
    "endpoint-server": endpoint_server,
}


def say(message: str) -> None:
    """One line on stderr, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 1 when a bar is missed or a row could not be measured."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["table"]:
        print(table([Path(name) for name in given[1:]] or [RESULTS]))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench llm", description=__doc__)
    parser.add_argument("rows", nargs="+", metavar="ROW", help=f"{', '.join(ROWS)}; or overrides, as for mlperf run")
    parser.add_argument("--build-dir", type=Path, default=Path("build"), help="engines and logs; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON that rows are merged into; %(default)s")
    parser.add_argument("--samples", type=int, default=3000, help="prompts, each issued once Offline; %(default)s")
    parser.add_argument("--seconds", type=float, default=62.0, help="of a Server run; %(default)s")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.90], help="of the Offline rate to ask of Server")
    program = f"{sys.executable} -m vllm.entrypoints.cli.main"
    parser.add_argument("--vllm", default=program, help="vLLM's command, of which `serve` is asked; %(default)s")
    parser.add_argument("--offline", type=float, help="Offline rate, samples/s; by default that of the row before")
    asked = parser.parse_intermixed_args(given)
    asked.overrides = [word for word in asked.rows if "=" in word]
    asked.rows = [word for word in asked.rows if "=" not in word]
    unknown = set(asked.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}, table")
    asked.command = f"python -m bench llm {shlex.join(given)}"
    asked.fresh = {}
    bench, missed = Bench(asked), 0
    with contextlib.closing(bench):
        for name in asked.rows:
            try:
                row = ROWS[name](bench)
            except (Exception, SystemExit):
                missed += 1
                say(f"{name} could not be measured:")
                traceback.print_exc()
                continue
            bench.keep(name, row)
            asked.fresh[name] = True
            missed += not row.holds
    print(table([asked.out]) if asked.out.is_file() else "nothing was measured")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
