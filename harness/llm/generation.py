"""generation_of(): how answers are made in a run, from its benchmark's options and its scenario."""

from __future__ import annotations

from typing import Protocol

from harness.llm.request import Generation
from mlperf_registry.schema.run import Run


class GenerationOptions(Protocol):
    """The options of a benchmark that say how answers are made; see Generation for what each means."""

    max_output_tokens: int
    max_output_tokens_accuracy: int | None
    min_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    sampling_seed: int | None
    stop_token_ids: tuple[int, ...]
    ignore_eos: bool


def generation_of(run: Run) -> Generation:
    """The limits and the sampling of the answers of ``run``, narrowed to the test that is played."""
    options: GenerationOptions = run.workload.benchmark.options
    tests = run.tests.values()
    longest = options.max_output_tokens
    if options.max_output_tokens_accuracy is not None and all(test.mode == "AccuracyOnly" for test in tests):
        longest = options.max_output_tokens_accuracy
    # Random weights end an answer anywhere; without an end of its own, every answer costs the same.
    endless = options.ignore_eos or run.workload.model.weights == "random"
    return Generation(
        max_tokens=longest,
        min_tokens=options.min_output_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        seed=options.sampling_seed,
        # Some engines heed these whatever they are told of the model's own end token.
        stop_token_ids=() if endless else tuple(options.stop_token_ids),
        ignore_eos=endless,
        # Offline has no first tokens, and a stream costs an engine time for each token of each answer.
        streaming=any(test.settings.use_token_latencies and test.settings.scenario != "Offline" for test in tests),
    )
