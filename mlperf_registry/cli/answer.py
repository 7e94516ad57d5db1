"""What a command answers besides its table: the one JSON document on stdout, and failures in their stable forms."""

from __future__ import annotations

import json
import sys
from typing import Any

from mlperf_registry.cli.terminal import say
from mlperf_registry.schema.problem import ConfigError, MlperfError, NotReady


def print_json(document: Any) -> None:
    """The one JSON document of a command; letters that stdout cannot write are escaped."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=1)
    print(text)


def answer_failure(error: MlperfError, *, as_json: bool) -> int:
    """Tell of a failure, in JSON on stdout too where that was asked for, and return its exit code."""
    if isinstance(error, ConfigError):
        for problem in error.problems:
            say(str(problem))
        if as_json:
            print_json({"problems": [problem.as_json() for problem in error.problems]})
    else:
        say(str(error))
        if as_json:
            print_json({"error": error_form(error)})
    return error.exit_code


def error_form(error: BaseException) -> dict[str, str]:
    """A failure as JSON gives it: its kind (ConfigError, NotReady, RunFailed, Unexpected) and its sentence."""
    kind = "Unexpected"
    if isinstance(error, MlperfError):
        kind = next((cls.__name__ for cls in (ConfigError, NotReady) if isinstance(error, cls)), "RunFailed")
    return {"kind": kind, "message": str(error) or type(error).__name__}
