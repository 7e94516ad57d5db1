"""``mlperf systems detect``: what this machine is, in the form in which NVIDIA's code prints it, or as JSON."""

from __future__ import annotations

from pathlib import Path

from mlperf_registry.atomic import write_json
from mlperf_registry.cli.answer import print_json
from mlperf_registry.cli.machine import machine_here
from mlperf_registry.cli.request import Request
from mlperf_registry.cli.systems.block import block
from mlperf_registry.cli.systems.words import no_words
from mlperf_registry.cli.terminal import say
from mlperf_registry.detect.machine import record
from mlperf_registry.schema.problem import ConfigError, NotReady, Problem
from mlperf_registry.structure import unstructure


def detect(request: Request) -> int:
    """Answer ``mlperf systems detect``."""
    no_words(request)
    if request.record is not None:
        if request.machine is not None:
            message = "records this machine, not one that --machine names"
            raise ConfigError([Problem("--record", message, hint="leave one of them out")])
        _record(request.record)
    machine = machine_here(request.machine)
    if request.json:
        print_json(unstructure(machine))
    else:
        print(block(machine))
        say("Which known system that is: mlperf systems match")
    return 0


def _record(path: Path) -> None:
    try:
        write_json(path, record())
    except OSError as error:
        raise NotReady(f"{path} cannot be written: {error.strerror}. Choose another file.") from error
    say(f"Recorded in {path}; `mlperf systems match --machine {path}` looks at it again, on any machine.")
