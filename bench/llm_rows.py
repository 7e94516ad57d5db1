"""ROWS: what is measured of a language model, each a function of a Bench: the bare engine, Offline and Server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

from bench.llm_bench import Bench
from bench.llm_cell import ANSWER
from bench.row import Row
from bench.say import say
from harness.llm.engine_file import EngineFile
from harness.loadgen.runner import Runner

TTFT = "result_first_token_99.00_percentile_latency_ns"
TPOT = "result_time_per_output_token_99.00_percentile_ns"
COMPLETED = "result_completed_tokens_per_second"


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
    rate = bench.offline_rate(beside)
    runs: list[dict[str, Any]] = []
    for share in bench.asked.shares:
        found = bench.server_run(share * rate, runner, *overrides)
        results = found["results"]
        lacking = [name for name in (TTFT, TPOT, COMPLETED) if name not in results]
        if lacking:  # a 0 in its place would pass for a good one
            raise SystemExit(f"LoadGen's log of {share:.3f} has no {', '.join(lacking)}: {_validity(found)}")
        ttft, tpot = results[TTFT] / 1e6, results[TPOT] / 1e6
        reached = results[COMPLETED] / (rate * ANSWER)
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
