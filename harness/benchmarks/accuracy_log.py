"""Reads LoadGen's mlperf_log_accuracy.json: what the engine answered for each sample of the data set."""

from __future__ import annotations

import json
from pathlib import Path

from mlperf_registry.schema.problem import WrongLog

LOG = "mlperf_log_accuracy.json"


def read_accuracy_log(path: Path) -> dict[int, bytes]:
    """Index in the data set to the response for it; the first where a sample was answered more than once.

    Raises:
        WrongLog: when the file is missing, cut off, or not in LoadGen's form.
    """
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise WrongLog(f"The accuracy log {path} cannot be read: {error.strerror}. Run the test again.") from error
    except ValueError as error:
        raise WrongLog(
            f"The accuracy log {path} is cut off or damaged ({error}): "
            "the test was ended, or the disk was full. Run it again."
        ) from error
    if not isinstance(entries, list):
        raise WrongLog(f"The accuracy log {path} is not LoadGen's, which is a list: name {LOG} of an accuracy run.")
    responses: dict[int, bytes] = {}
    for place, entry in enumerate(entries):
        try:
            responses.setdefault(int(entry["qsl_idx"]), bytes.fromhex(entry["data"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WrongLog(
                f"Entry {place} of the accuracy log {path} is not LoadGen's, which has a number as qsl_idx and "
                f"hexadecimal digits as data: name {LOG} of an accuracy run."
            ) from error
    if not responses:
        raise WrongLog(f"The accuracy log {path} has no responses: it is a performance run's.")
    return responses
