"""main(): from a command line to an exit code. Every failure is answered here, once, with a sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from types import FrameType

from mlperf_registry import __version__
from mlperf_registry.cli.answer import answer_failure, print_json
from mlperf_registry.cli.help import overview, verb_help
from mlperf_registry.cli.request import Request, parse
from mlperf_registry.cli.streams import steady_streams
from mlperf_registry.cli.terminal import say
from mlperf_registry.schema.problem import MlperfError, NotReady

INTERRUPTED = 130
TRACEBACK_VARIABLE = "MLPERF_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, by default this process's, and return its exit code."""
    with steady_streams():
        code = _answer(list(sys.argv[1:] if argv is None else argv))
        try:
            sys.stdout.flush()
        except NotReady as error:
            say(str(error))
            return code or error.exit_code
    return code


def _answer(words: list[str]) -> int:
    as_json = "--json" in words
    build_dir = Path("build")
    try:
        if words[:1] == ["help"] and len(words) > 1:
            words = [*words[1:], "--help"]
        if not words or words[0] in ("-h", "--help", "help"):
            print(overview(__version__))
            return 0
        if words[0] == "--version":
            print(f"mlperf {__version__}")
            return 0
        request = parse(words)
        build_dir = request.build_dir
        if request.help:
            print(verb_help(request.verb))
            return 0
        _require_working_directory()
        with _signals_interrupt():
            return _dispatch(request)
    except KeyboardInterrupt:
        return _interrupted(as_json)
    except MlperfError as error:
        return answer_failure(error, as_json=as_json)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "mlperf_registry", "harness"):
            return _unexpected(error, build_dir, as_json)
        lack = NotReady(
            f"The Python module {error.name} is missing. Reinstall mlperf-registry, or the plug-in that needs it."
        )
        return answer_failure(lack, as_json=as_json)
    except Exception as error:
        return _unexpected(error, build_dir, as_json)


def _dispatch(request: Request) -> int:
    module, _, function = request.verb.target.partition(":")
    code: int = getattr(import_module(module), function)(request)
    return code


def _require_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise NotReady(f"The working directory cannot be used ({error.strerror}): cd to one that exists.") from error


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: through its ``finally`` clauses, so that no child stays behind.

    One that was to be ignored, as nohup has it, still is; a handler that Python did not set stays too, since it could
    not be put back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with contextlib.ExitStack() as swapped:
        for number in (signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if before not in (signal.SIG_IGN, None):
                swapped.callback(signal.signal, number, before)
                signal.signal(number, interrupt)
        yield


def _interrupted(as_json: bool) -> int:
    message = "Interrupted: what was running has been ended; a run that did not end has no result."
    say(message)
    if as_json:
        print_json({"error": {"kind": "Interrupted", "message": message}})
    return INTERRUPTED


def _unexpected(error: Exception, build_dir: Path, as_json: bool) -> int:
    if os.environ.get(TRACEBACK_VARIABLE) == "1":
        traceback.print_exception(error)
    message = f"This should not happen: {type(error).__name__}: {error}. {_keep_traceback(error, build_dir)}"
    say(message)
    if as_json:
        print_json({"error": {"kind": "Unexpected", "message": message}})
    return 1


def _keep_traceback(error: Exception, build_dir: Path) -> str:
    path = build_dir / "logs" / f"traceback-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return f"Run it again with {TRACEBACK_VARIABLE}=1 for the traceback, and please report it."
    return f"The traceback is in {path} ({TRACEBACK_VARIABLE}=1 prints it); please report it."
