"""Builds plans of TensorRT and TensorRT for RTX, each in a process of its own.

So device memory is free again before the run, and a library that crashes, as some do without a GPU, is one sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from harness.backends.tell import Tell, silent
from mlperf_registry.process import running
from mlperf_registry.schema.engine import Recipe
from mlperf_registry.schema.problem import MlperfError, NotReady, RunFailed, as_event, from_event
from mlperf_registry.schema.sections.builder import batch_field
from mlperf_registry.structure import structure, unstructure

PLAN_FILE = "engine.plan"
_MODULE = "harness.backends.tensorrt.builder"
_LOG_FILE = "build.log"
_UNWRITTEN = "OSError"
"""Kind of the event that tells what the system says to writing an engine."""
_LONGEST = 300
"""Characters of a foreign error's words in a sentence: the libraries' bindings quote all that they were given."""


class TensorRTBuilder:
    """Turns an ONNX network into a plan."""

    version: ClassVar[int] = 3
    """Part of the engine key; raised when the same recipe gives another engine."""

    def __init__(self, report: Tell = silent, tell: Tell = silent) -> None:
        self.report = report
        """Told how far the build is, in a few words, about once a second."""
        self.tell = tell
        """Told, in a sentence, which value of a recipe has no effect."""

    def room(self, recipe: Recipe, model_bytes: int) -> int:
        """See BackendPlugin: a plan takes about what the model does, and 1 MiB for each optimisation profile."""
        streams: int = recipe.values.get("runtime.gpu_inference_streams") or 1
        return model_bytes + (streams << 20)

    def build(self, recipe: Recipe, folder: Path) -> str:
        """Write the plan, plan.json and build.log into ``folder`` and return the plan's name.

        Raises:
            ConfigError, NotReady, RunFailed: as ``compile_plan``; RunFailed also when the process crashes.
            OSError: when ``folder`` cannot be written.
        """
        with _started(recipe, folder) as child:
            error = self._follow(child)
            code = child.wait()
        if error is not None and error["kind"] == _UNWRITTEN:
            raise OSError(error["errno"], error["message"], str(folder))
        if error is not None:
            raise from_event(error)
        if code != 0 or not (folder / PLAN_FILE).is_file():
            raise RunFailed(
                f"The process that built the {recipe.backend} engine {_how(code)}. {_cure(code, recipe)}"
                f"The last it wrote: {_last_lines(folder / _LOG_FILE)}"
            )
        return PLAN_FILE

    def _follow(self, child: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        """The child's error, if it tells one; what else it says goes on to whom we tell."""
        error = None
        assert child.stdout is not None
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] == "error":
                error = event
            else:
                (self.tell if event["event"] == "tell" else self.report)(event["message"])
        return error


@contextlib.contextmanager
def _started(recipe: Recipe, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The child process; it is gone at the end, however it comes."""
    added: dict[str, str] = {}
    sms = recipe.values.get("builder.active_sms")
    if sms is not None:
        # Heeded by CUDA's multi-process service where it runs; kernels are then timed on that share of the GPU.
        added["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = str(sms)
    with (
        (folder / _LOG_FILE).open("wb") as output,
        running(
            *(_MODULE, str(folder)), added=added, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
        ) as child,
    ):
        assert child.stdin is not None and child.stdout is not None
        with child.stdout:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(unstructure(recipe)).encode())
                child.stdin.close()
            yield child


def main(folder: Path) -> int:
    """The child: a recipe on stdin, events as JSON lines on what was stdout; the library's own words go to stderr."""
    # Here alone: whoever asks for the builder's version, to look into the cache, waits for neither.
    import logging
    import traceback

    from harness.backends.tensorrt.compile import compile_plan

    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(event: str, **what: Any) -> None:
        print(json.dumps({"event": event, **what}), file=events, flush=True)

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        recipe = structure(Recipe, json.load(sys.stdin), canonical=True)
        compile_plan(
            recipe,
            folder / PLAN_FILE,
            report=lambda message: say("report", message=message),
            tell=lambda message: say("tell", message=message),
        )
    except MlperfError as error:
        say("error", **as_event(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and _is_of_writing(error, folder):
            say("error", kind=_UNWRITTEN, errno=error.errno, message=error.strerror)
            return NotReady.exit_code
        logging.exception("The build ended by a fault of this program")
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error).split())
        message = (
            f"The build ended by a fault of this program, in {Path(place.filename).name}:{place.lineno}: "
            f"{type(error).__name__}: {words[:_LONGEST]}{'...' * (len(words) > _LONGEST)}"
        )
        say("error", **as_event(RunFailed(message)))
        return RunFailed.exit_code
    return 0


def _is_of_writing(error: OSError, folder: Path) -> bool:
    """Whether the system refused to write into the folder: a full disk names no file, a loader no number."""
    if error.errno is None or error.filename is None:
        return error.errno is not None
    path = Path(str(error.filename))
    return folder in (path, *path.parents)


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code} and no engine"


def _cure(code: int, recipe: Recipe) -> str:
    """What to do about a child that a signal ended, a sentence and a blank; empty where nothing is known."""
    plugins = recipe.values.get("builder.plugin_libraries")
    if code == -signal.SIGKILL:
        batch = batch_field(recipe.values.get("builder.dla_core"))
        return (
            f"The system's memory has probably run out{_free_memory()}: lower {batch} or "
            "runtime.gpu_inference_streams, or end what else takes memory. "
        )
    if code < 0 and plugins:
        return f"builder.plugin_libraries may be at fault: try without {', '.join(plugins)}. "
    return ""


def _free_memory() -> str:
    with contextlib.suppress(OSError):  # other systems than Linux do not have the file
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return f" ({int(line.split()[1]) >> 10:,} MiB are free now)"
    return ""


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:]) or "nothing"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
