"""Options of language models: where prompts and references stand in the data set, how answers are made, how they score.

Limits of generation and the columns' names are those of MLPerf's reference implementations.
"""

from __future__ import annotations

from typing import Literal

import attrs

from mlperf_registry.schema.knob import above, at_least, knob

Evaluation = Literal["rouge", "long_context", "mixture", "reasoning", "harmony"]


@attrs.frozen(kw_only=True)
class LlmOptions:
    """``benchmark.options`` of the family ``llm``."""

    evaluation: Evaluation = knob(
        "How answers are scored: rouge against a reference, or as MLPerf scores Llama 3.1 405B (long_context), Mixtral "
        "(mixture), DeepSeek-R1 (reasoning) and gpt-oss (harmony), whose samples say how each is judged."
    )
    tokens_column: str | None = knob("Column with the prompt's token ids; absent: text is tokenised.", default=None)
    text_column: str | None = knob("Column with the prompt's text; absent: there is none.", default=None)
    reference_column: str | None = knob("Column with the right answer; absent: there is none.", default=None)
    kind_column: str | None = knob("Column that says how a sample is judged, or what it is from.", default=None)
    prompt_template: str | None = knob(
        "The prompt, with {COLUMN} where a column's text belongs; absent: text_column alone.", default=None
    )
    add_special_tokens: bool = knob("Let the tokeniser begin the prompt with its own special tokens.", default=True)
    max_input_tokens: int | None = knob(
        "Longest prompt; what is longer is cut at its end. Absent: none is cut.",
        unit="tokens",
        check=at_least(1),
        default=None,
    )
    max_output_tokens: int = knob("Longest answer.", unit="tokens", check=at_least(1))
    min_output_tokens: int = knob("Shortest answer.", unit="tokens", check=at_least(0), default=1)
    max_output_tokens_accuracy: int | None = knob(
        "Longest answer of an accuracy run; absent: the same.", unit="tokens", check=at_least(1), default=None
    )
    temperature: float = knob("Spread of sampling; 0 takes the likeliest token.", check=at_least(0), default=0.0)
    top_p: float = knob("Share of the likelihood that is sampled from.", check=above(0, 1), default=1.0)
    top_k: int = knob("Tokens that are sampled from; 0: all, 1: the likeliest.", check=at_least(0), default=0)
    sampling_seed: int | None = knob("Seed of sampling; absent: the engine's own.", check=at_least(0), default=None)
    stop_token_ids: tuple[int, ...] = knob("Tokens that end an answer.", default=())
    ignore_eos: bool = knob(
        "Generate max_output_tokens whatever comes: for random weights, which never end.", default=False
    )
    sentence_splitter: Literal["punkt", "untrained_punkt"] = knob(
        "How ROUGE-Lsum finds sentences: nltk's English model, as MLPerf, or the same method without its data.",
        default="punkt",
    )
    vocabulary_size: int | None = knob(
        "Random prompts are drawn from token ids below this; only read with model.weights=random.",
        unit="tokens",
        check=at_least(2),
        default=None,
    )
