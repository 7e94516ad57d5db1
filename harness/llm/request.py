"""Request: one sample as an engine gets it; Generation: how long and how its answer is made."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]
"""Token ids, shape [n]."""


@attrs.frozen(eq=False)
class Request:
    """One sample. ``id`` is the harness's number of it, and comes back with every report on it."""

    id: int
    prompt: Tokens
    """The prompt's token ids."""
    text: str | None = None
    """The prompt as text, where the data set has it: for servers that take no token ids."""


LONG_ANSWER = 512
"""Tokens. An answer that may be longer is reported in pieces of so many, also where nobody asks for its first token:
until its end nothing else would tell that an engine is at work on it."""


@attrs.frozen(kw_only=True)
class Generation:
    """The limits and the sampling of an answer, the same for all samples of a run."""

    max_tokens: int
    min_tokens: int = 1
    temperature: float = 0.0
    """0: the likeliest token each time."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all tokens."""
    seed: int | None = None
    stop_token_ids: tuple[int, ...] = ()
    """Tokens that end an answer; they are part of it."""
    ignore_eos: bool = False
    """Whether every answer has ``max_tokens`` tokens."""
    streaming: bool = False
    """Whether the first token is reported when it is out; otherwise an answer is reported whole."""

    @property
    def in_pieces(self) -> bool:
        """Whether answers are reported before their end."""
        return self.streaming or self.max_tokens > LONG_ANSWER
