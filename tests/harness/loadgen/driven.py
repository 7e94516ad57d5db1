"""drive_case(): one LoadGen test of a simulated engine in a process of its own, followed to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
from checkout import python_path


@attrs.frozen
class Driven:
    """A child process that has ended."""

    code: int
    events: list
    folder: Path
    output: str

    def one(self, name):
        (event,) = [event for event in self.events if event["event"] == name]
        return event

    @property
    def names(self):
        return [event["event"] for event in self.events]

    @property
    def phases(self):
        return [event["name"] for event in self.events if event["event"] == "phase"]

    @property
    def counted(self):
        """Samples issued and completed, by the last progress event."""
        last = [event for event in self.events if event["event"] == "progress"][-1]
        return last["issued"], last["completed"]

    @property
    def logs(self):
        return self.folder / "performance" / "run_1"

    def detail(self):
        """Results of LoadGen's detail log by key."""
        lines = (self.logs / "mlperf_log_detail.txt").read_text().splitlines()
        entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
        return {entry["key"]: entry["value"] for entry in entries}

    def accuracy_log(self):
        return json.loads((self.logs / "mlperf_log_accuracy.json").read_text())


def drive_case(
    script, folder, settings, *, test="performance", until=None, signal_number=signal.SIGTERM, timeout=60, **case
):
    """Run a case with ``script``; with ``until``, send ``signal_number`` at the first event for which it is true."""
    case_json = folder / "case.json"
    case_json.write_text(json.dumps({"folder": str(folder), "settings": settings, **case}))
    reader, writer = os.pipe()
    output = folder / "child.log"
    with output.open("w") as log:
        child = subprocess.Popen(
            [sys.executable, script, case_json, test, "--events", str(writer)],
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(writer,),
            env=python_path(),
            cwd=folder,
        )
    os.close(writer)
    events, deadline = [], time.monotonic() + timeout
    try:
        with os.fdopen(reader) as lines:
            for line in lines:
                events.append(json.loads(line))
                if until is not None and until(events[-1]):
                    child.send_signal(signal_number)
                    until = None
                assert time.monotonic() < deadline, "the child takes too long"
        code = child.wait(timeout=10)
    finally:
        child.kill()
        child.wait()
    return Driven(code, events, folder, output.read_text())
