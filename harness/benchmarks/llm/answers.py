"""What the model answered, from LoadGen's accuracy log: the tokens of each sample, and their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.accuracy_log import read_accuracy_log
from mlperf_registry.schema.problem import RunFailed

LogType = Literal["int32", "int64"]

Tokens = npt.NDArray[np.integer[Any]]


@attrs.frozen(eq=False)
class Answers:
    """The first answer to each sample."""

    indices: list[int]
    """Which samples of the data set."""
    tokens: list[Tokens]
    """Token ids of each."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def token_count(self) -> int:
        """Tokens of all answers."""
        return sum(map(len, self.tokens))


def read_answers(log: Path, samples: int, dtype: LogType | None = None) -> Answers:
    """Read an accuracy log, which may have been made elsewhere.

    Args:
        log: mlperf_log_accuracy.json.
        samples: of the data set.
        dtype: number format of its token ids; None: seen from the log. We write int32.

    Raises:
        RunFailed: when the log is damaged, or is none of this data set and number format.
    """
    responses = read_accuracy_log(log)
    outside = next((index for index in responses if not 0 <= index < samples), None)
    if outside is not None:
        raise RunFailed(
            f"{log} has an answer to sample {outside}, and the data set ends at {samples - 1}: it is of "
            "another data set."
        )
    chosen = np.dtype(_seen(responses) if dtype is None else dtype)
    odd = next((index for index, answer in responses.items() if len(answer) % chosen.itemsize), None)
    if odd is not None:
        raise RunFailed(
            f"In {log}, the answer to sample {odd} has {len(responses[odd])} bytes, which are no {chosen.name} tokens."
        )
    return Answers(list(responses), [np.frombuffer(answer, chosen.newbyteorder("<")) for answer in responses.values()])


def _seen(responses: dict[int, bytes]) -> LogType:
    """int64 where every other word is zero: its upper half, since no token id needs it."""
    whole = all(len(answer) % 8 == 0 for answer in responses.values())
    return (
        "int64"
        if whole and not any(np.frombuffer(answer, "<i4")[1::2].any() for answer in responses.values())
        else "int32"
    )
