"""Builds engines for TensorRT Edge-LLM: quantises, exports and builds as far as the source is not there yet."""

from __future__ import annotations

import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from harness.backends.tell import Tell, silent
from harness.backends.tensorrt_edgellm.record import RECORD_FILE, write_record
from harness.backends.tensorrt_edgellm.source import find_source
from harness.backends.tensorrt_edgellm.steps import Step, steps
from mlperf_registry.process import running
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import NotReady, RunFailed

LOG_FILE = "build.log"
_ENGINE_FOLDER = "engine"
_WORK_FOLDER = "work"
_NOT_READY = NotReady.exit_code


class EdgeLlmBuilder:
    """Turns a checkpoint, or its ONNX network, into an engine; takes one that is built as it is."""

    version: ClassVar[int] = 1
    """Part of the engine key; raised when the same recipe gives another engine."""

    def __init__(self, report: Tell = silent) -> None:
        self.report = report
        """Told which step is under way."""

    def room(self, recipe: Recipe, model_bytes: int) -> int:
        """See BackendPlugin: none for an engine that is built already; what is exported stays until the end.

        Raises:
            ConfigError: as ``find_source``.
        """
        return {"engine": 0, "onnx": 1, "checkpoint": 2}[find_source(Path(recipe.model_path)).kind] * model_bytes

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the engine, build.log and engine.json into ``folder`` and return the last one's name.

        Raises:
            ConfigError: as ``find_source`` and ``steps``.
            NotReady: when a step needs a package that is not installed, or finds the machine unfit.
            RunFailed: when a step fails.
        """
        source = find_source(Path(recipe.model_path))
        work, engine = folder / _WORK_FOLDER, folder / _ENGINE_FOLDER
        planned = steps(source, recipe.values, work, engine)
        _require(planned)
        work.mkdir()
        try:
            for step in planned:
                self.report(step.name)
                _execute(step, folder / LOG_FILE)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        write_record(folder, engine if planned else source.path)
        return RECORD_FILE


def _require(planned: tuple[Step, ...]) -> None:
    """Look for what every step needs before the first one spends an hour."""
    for step in planned:
        missing = [module for module in step.needs if find_spec(module) is None]
        if missing:
            raise NotReady(
                f"{step.name.capitalize()} needs {', '.join(missing)}, not installed here: "
                "pip install 'tensorrt-edgellm[tools]', and on a Jetson the TensorRT of JetPack. Quantising and "
                "exporting can be done on another machine; then set model.path to the folder with model.onnx."
            )


def _execute(step: Step, log: Path) -> None:
    """Run one step to its end; it is gone afterwards, however it comes."""
    with log.open("ab") as output:
        output.write(f"\n$ python -m {' '.join(step.command)}\n".encode())
        output.flush()
        with running(
            *step.command, added=step.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as child:
            code = child.wait()
    if code == 0 and step.makes.is_file():
        return
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    if code == 0:
        how = f"left no {step.makes.name}"
    message = f"{step.name.capitalize()} {how}. The last it wrote: {_last_lines(log)}"
    raise NotReady(message) if code == _NOT_READY else RunFailed(message)


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:])
