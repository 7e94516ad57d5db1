"""What can be wrong, as values: a Problem is one sentence with its place; the exceptions carry the exit code.

Every layer reports through these, so that the command line needs no knowledge of who found the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import attrs


@attrs.frozen
class Problem:
    """One thing that is wrong with a configuration, and where it was written."""

    path: str
    """Dotted path of the value, a group name, or the flag of a command line."""
    message: str
    """A sentence that says what is wrong."""
    origin: str | None = None
    """The file or the override that set the value; None where nothing did."""
    line: int | None = None
    """1-based line in ``origin``; None where it is not a file."""
    hint: str | None = None
    """The cure: nearest names, an example, a command."""

    def __str__(self) -> str:
        place = "" if self.origin is None else f" [{self.origin}{'' if self.line is None else f':{self.line}'}]"
        cure = "" if self.hint is None else f" ({self.hint})"
        return f"{self.path}: {self.message}{cure}{place}"

    def as_json(self) -> dict[str, Any]:
        """The object of the contract for programs: path, message, origin, line, hint."""
        return attrs.asdict(self)


class MlperfError(Exception):
    """Any failure that the command line answers with a sentence instead of a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(MlperfError):
    """Bad input: carries every problem found, not only the first (exit code 2)."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # Launchers carry a job's exception between processes.
        return (type(self), (self.problems,))


def problems_in(*checks: Callable[[], object]) -> tuple[Problem, ...]:
    """The problems that checks raise, of all of them, so that they come in one report."""
    problems: list[Problem] = []
    for check in checks:
        try:
            check()
        except ConfigError as error:
            problems += error.problems
    return tuple(problems)


class NotReady(MlperfError):
    """The environment lacks something: data, a model, a package, a device (exit code 3)."""

    exit_code = 3


class WrongFile(MlperfError):
    """The content of a file is at fault: bad input where a flag of the command line names that file."""


class WrongData(WrongFile, NotReady):
    """The file of a data set is damaged, or is not the one that is asked for."""

    exit_code = 3


class RunFailed(MlperfError):
    """A build or a run started and did not end well (exit code 1)."""

    exit_code = 1


class WrongLog(WrongFile, RunFailed):
    """A log of LoadGen is damaged, or is of something else."""

    exit_code = 1


def as_event(error: MlperfError) -> dict[str, Any]:
    """An error as a child process tells it in JSON; a kind of one of the three is told as that one."""
    if isinstance(error, ConfigError):
        return {"kind": "ConfigError", "message": str(error), "problems": [each.as_json() for each in error.problems]}
    return {"kind": "NotReady" if isinstance(error, NotReady) else "RunFailed", "message": str(error)}


def from_event(event: Mapping[str, Any]) -> MlperfError:
    """The error that a child process told by ``as_event``; RunFailed where the kind is none."""
    if event.get("kind") == "ConfigError":
        return ConfigError(Problem(**problem) for problem in event["problems"])
    return (NotReady if event.get("kind") == "NotReady" else RunFailed)(str(event.get("message")))
