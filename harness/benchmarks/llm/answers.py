"""What the model answered, from LoadGen's accuracy log: the tokens of each sample, and their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt

from harness.benchmarks.accuracy_log import read_accuracy_log
from mlperf_registry.schema.problem import WrongLog

LogType = Literal["int32", "int64"]

_TELLING = 16
"""So many words of a log tell which number format it has."""

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
        WrongLog: when the log is damaged, or is none of this data set and number format.
    """
    responses = read_accuracy_log(log)
    outside = next((index for index in responses if not 0 <= index < samples), None)
    if outside is not None:
        raise WrongLog(
            f"{log} has an answer to sample {outside}, and the data set ends at {samples - 1}: it is of "
            "another data set."
        )
    if dtype == "int32" and _is_surely_int64(responses):
        raise WrongLog(f"Every other number in {log} is 0, the upper half of an int64: say --dtype int64.")
    chosen = np.dtype(_seen(responses) if dtype is None else dtype)
    odd = next((index for index, answer in responses.items() if len(answer) % chosen.itemsize), None)
    if odd is not None:
        raise WrongLog(
            f"In {log}, the answer to sample {odd} has {len(responses[odd])} bytes, which are no {chosen.name} tokens."
        )
    return Answers(list(responses), [np.frombuffer(answer, chosen.newbyteorder("<")) for answer in responses.values()])


def _seen(responses: dict[int, bytes]) -> LogType:
    """int64 where every other word is zero: its upper half, since no token id needs it."""
    whole = all(len(answer) % 8 == 0 for answer in responses.values())
    return "int64" if whole and not any(np.any(_words(answer)[1::2]) for answer in responses.values()) else "int32"


def _is_surely_int64(responses: dict[int, bytes]) -> bool:
    """Whether int32 answers would not look like this: a few may, and those of a model that says only token 0 do."""
    words = sum(len(answer) for answer in responses.values()) // 4
    if words < _TELLING or _seen(responses) == "int32":
        return False
    return any(np.any(_words(answer)) for answer in responses.values())


def _words(answer: bytes) -> Tokens:
    return np.frombuffer(answer, "<i4")
